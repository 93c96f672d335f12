//! Whether a request's body was read to its end. What was not read stands in the way of the connection's next request.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// Knows whether a body was read to its end. Clones share.
#[derive(Clone)]
pub(super) struct Read(Arc<AtomicBool>);

/// A body that notes its end.
pub(super) struct Noted {
    inner: Incoming,
    read: Read,
}

impl Read {
    /// Of this body, which may have an end at once.
    pub fn of(body: &Incoming) -> Self {
        Self(Arc::new(AtomicBool::new(body.is_end_stream())))
    }

    pub fn to_the_end(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Noted {
    pub fn new(inner: Incoming, read: Read) -> Self {
        Self { inner, read }
    }
}

impl Body for Noted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if frame.is_none() || self.inner.is_end_stream() {
            self.read.0.store(true, Ordering::Release);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
