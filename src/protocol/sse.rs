//! Server-sent events, read from a body as it arrives, bounded.
//!
//! `sse-stream` does the parsing: it works on body frames, is linear, checks UTF-8 strictly and changes nothing in the data, so
//! a parser of our own would only be a second one to keep right. What it lacks is a limit; [`Events`] adds that around the body:
//! a peer that sends more than the limit without completing an event is given up.

use std::{
    error::Error,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body::{Body, Frame, SizeHint};
use sse_stream::SseStream;

pub use sse_stream::Sse;

/// The events of one body, in order.
///
/// Comments are left out; a block with nothing but an `id` or a `retry` is an event without data. What follows the last blank
/// line is discarded, as the standard demands.
pub struct Events<B: Body<Data = Bytes> + Unpin> {
    stream: SseStream<Counted<B>>,
    since_event: Arc<AtomicUsize>,
}

/// Why a stream cannot be read on. It has ended then.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// More bytes than the limit came without completing an event.
    #[error("an event of the stream is larger than {limit} bytes")]
    TooLarge {
        /// The limit that was given.
        limit: usize,
    },
    /// A field is not UTF-8.
    #[error("the event stream is not UTF-8")]
    NotText,
    /// The connection failed.
    #[error("the event stream broke off")]
    Body(#[source] Box<dyn Error + Send + Sync>),
}

impl<B> Events<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + Send + Sync + 'static,
{
    /// Reads `body`. At most `limit` bytes, and two frames of the body, are held for one event.
    pub fn new(body: B, limit: usize) -> Self {
        let since_event = Arc::new(AtomicUsize::new(0));
        let body = Counted {
            body,
            since_event: Arc::clone(&since_event),
            limit,
        };
        Self {
            stream: SseStream::new(body),
            since_event,
        }
    }

    /// The next event; `None` at the end of the body and after an error. Cancel-safe: nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Result<Sse, StreamError>> {
        let event = self.stream.next().await?;
        self.since_event.store(0, Ordering::Relaxed);
        Some(event.map_err(|error| match error {
            sse_stream::Error::Body(error) => match error.downcast::<CountedError<B::Error>>() {
                Ok(error) => match *error {
                    CountedError::TooLarge(limit) => StreamError::TooLarge { limit },
                    CountedError::Body(error) => StreamError::Body(Box::new(error)),
                },
                Err(error) => StreamError::Body(error),
            },
            _ => StreamError::NotText,
        }))
    }
}

/// A body that fails once more than `limit` bytes of it were read since the count was last put to zero.
struct Counted<B> {
    body: B,
    since_event: Arc<AtomicUsize>,
    limit: usize,
}

#[derive(Debug, thiserror::Error)]
enum CountedError<E> {
    #[error("more than {0} bytes")]
    TooLarge(usize),
    #[error(transparent)]
    Body(E),
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = CountedError<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        // Before reading more, not after: a frame may hold the ends of many small events.
        if self.since_event.load(Ordering::Relaxed) > self.limit {
            return Poll::Ready(Some(Err(CountedError::TooLarge(self.limit))));
        }
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(data) = frame
            .as_ref()
            .and_then(|frame| frame.as_ref().ok())
            .and_then(Frame::data_ref)
        {
            self.since_event.fetch_add(data.len(), Ordering::Relaxed);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(CountedError::Body)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, io};

    use futures_util::stream;
    use http_body_util::StreamBody;

    use super::*;

    async fn read(
        frames: Vec<Result<Bytes, io::Error>>,
        limit: usize,
    ) -> Vec<Result<Sse, StreamError>> {
        let frames = frames.into_iter().map(|data| data.map(Frame::data));
        let mut events = Events::new(StreamBody::new(stream::iter(frames)), limit);
        let mut read = Vec::new();
        while let Some(event) = events.next().await {
            read.push(event);
        }
        read
    }

    fn data(read: &[Result<Sse, StreamError>]) -> Vec<Option<&str>> {
        read.iter()
            .map(|event| event.as_ref().unwrap().data.as_deref())
            .collect()
    }

    const MIXED: &str = "\u{feff}: hello\n\nid: 1\ndata:\n\nevent: message\ndata: {\"a\":\r\ndata:  1}\r\n\r\n:\r\n\r\nretry: 10\n\n\
         unknown: x\ndata: ü\rdata\r\rdata: cut off";

    #[tokio::test]
    async fn events_are_the_same_however_the_bytes_are_cut() {
        let bytes = Bytes::from_static(MIXED.as_bytes());
        for size in 1..=bytes.len() {
            let frames = bytes
                .chunks(size)
                .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
                .collect();
            let read = read(frames, 1000).await;
            assert_eq!(
                data(&read),
                [Some(""), Some("{\"a\":\n 1}"), None, Some("ü\n")],
                "frames of {size}"
            );
            assert_eq!(read[0].as_ref().unwrap().id.as_deref(), Some("1"));
            assert_eq!(read[2].as_ref().unwrap().retry, Some(10));
        }
    }

    #[tokio::test]
    async fn an_event_without_end_is_given_up() {
        let endless = (0..10_000).map(|_| Ok(Bytes::from_static(b"data: xxxxxxxxxx\n")));
        let read = read(endless.collect(), 1000).await;
        assert!(
            matches!(read[..], [Err(StreamError::TooLarge { limit: 1000 })]),
            "{read:?}"
        );
    }

    #[tokio::test]
    async fn a_line_without_end_is_given_up() {
        let body =
            stream::repeat_with(|| Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"data"))));
        let mut events = Events::new(StreamBody::new(body), 1000);
        assert!(matches!(
            events.next().await,
            Some(Err(StreamError::TooLarge { .. }))
        ));
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn many_small_events_in_one_frame_are_fine() {
        let frame = Bytes::from("data: xxxxxxxx\n\n".repeat(1000));
        assert_eq!(
            read(vec![Ok(frame.clone()), Ok(frame)], 100).await.len(),
            2000
        );
    }

    #[tokio::test]
    async fn broken_text_and_broken_connections_end_it() {
        let not_text = vec![
            Ok(Bytes::from_static(b"data: a\n\ndata: \xff\n\n")),
            Ok(Bytes::from_static(b"data: b\n\n")),
        ];
        let events = read(not_text, 100).await;
        assert!(matches!(events[..], [Ok(_), Err(StreamError::NotText)]));
        let broken = vec![
            Ok(Bytes::from_static(b"data: a\n\ndata: b")),
            Err(io::ErrorKind::ConnectionReset.into()),
        ];
        let events = read(broken, 100).await;
        assert!(matches!(events[..], [Ok(_), Err(StreamError::Body(_))]));
    }
}
