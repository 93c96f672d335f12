//! How a flow ended, in plain words. Nothing on these pages can be done again by accident.

use axum::{http::StatusCode, response::Response};

use super::{
    consent::scope_lines,
    flow::{Landed, Stage, Why},
    pages::{ConnectPages, Stop},
    verify::Verified,
};
use crate::{
    config::Provider,
    protocol::oauth::{error::ErrorCode, scope::ScopeSet},
    web::{
        failure::{Fault, PageFailure, ProviderFailure},
        page::{DonePage, respond},
        urls::LocalPath,
    },
};

/// "You can close this window."
pub(super) fn completed(pages: &ConnectPages, verified: &Verified) -> Response {
    let flow = verified.flow();
    let config = pages.connect.live.now();
    let provider = config.providers.get(&flow.provider);
    let (nothing, unknown) = (ScopeSet::default(), Landed::default());
    let (missing, landed) = match &flow.stage {
        Stage::Completed {
            missing, landed, ..
        } => (missing, landed),
        Stage::Offered
        | Stage::AtProvider { .. }
        | Stage::AwaitingVerification { .. }
        | Stage::Settling { .. }
        | Stage::Failed { .. } => (&nothing, &unknown),
    };
    let person = verified.person(&config);
    let title = provider.map_or(flow.provider.as_str(), |provider| provider.title());
    // Where nobody has signed in with us, whoever has the link may be looking.
    let told = person.is_some();
    let page = DonePage {
        own_page: flow.asker.is_own_page(),
        client: &flow.asker.label,
        provider: title,
        person: person.as_ref(),
        account: landed.account.as_deref().filter(|_| told),
        notes: if told {
            landed.notes(&flow.slot, title)
        } else {
            Vec::new()
        },
        missing: scope_lines(missing, provider.and_then(Provider::oauth)),
    };
    respond(StatusCode::OK, &page)
}

/// Why nothing was connected.
pub(super) fn failed(pages: &ConnectPages, verified: &Verified, why: Why) -> Stop {
    if why == Why::Declined && verified.flow().asker.is_own_page() {
        // Who changed their mind is back where they were.
        let page = LocalPath::connections();
        return Stop::SeeOther(pages.connect.urls.local(&page));
    }
    let error = |code: Option<ErrorCode>, reference| ProviderFailure::Error {
        code: code
            .filter(|code| *code != ErrorCode::Other)
            .map(|code| code.to_string()),
        reference,
    };
    let failure = match why {
        Why::Declined => ProviderFailure::Cancelled,
        Why::Denied => ProviderFailure::Denied,
        Why::ProviderError { code, reference } => error(code, reference),
        Why::WrongIssuer { reference } => error(None, reference),
        Why::CodeRefused { reference } => error(Some(ErrorCode::InvalidGrant), reference),
        Why::Unavailable { reference } => ProviderFailure::Silent { reference },
        Why::Misconfigured { reference } => ProviderFailure::TokenRefused { reference },
        Why::OtherPerson => ProviderFailure::OtherPerson,
        Why::Interrupted => ProviderFailure::Interrupted,
        Why::TooMany => ProviderFailure::TooMany,
        Why::Fault { reference } => return PageFailure::Fault(Fault::noted(reference)).into(),
    };
    let name = &verified.flow().provider;
    let config = pages.connect.live.now();
    let provider = config.providers.get(name);
    PageFailure::Provider {
        provider: provider.map_or_else(|| name.to_string(), |provider| provider.title().to_owned()),
        failure,
    }
    .into()
}
