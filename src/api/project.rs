//! `/v1/orgs/{org}/projects/{project}/…`: the paths of programs that know of organisations and projects. Which ones they name
//! makes no difference: the key says whose users and which tools they get.

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::Uri,
    response::{IntoResponse, Response},
};
use tower::ServiceExt;

use super::error::ApiError;

/// Serves the request as if the organisation and the project were not in its path.
pub async fn shorten(paths: Router, request: Request<Body>) -> Response {
    let Some(shorter) = shorter(request.uri()) else {
        return ApiError::no_such_path().into_response();
    };
    let (mut head, body) = request.into_parts();
    head.uri = shorter;
    // What the outer router noted of the longer path.
    head.extensions.clear();
    let served = paths.oneshot(Request::from_parts(head, body)).await;
    served.unwrap_or_else(|never| match never {})
}

fn shorter(uri: &Uri) -> Option<Uri> {
    let rest = uri.path().strip_prefix("/v1/orgs/")?;
    // organisation, "projects", project, what remains
    let rest = rest.splitn(4, '/').nth(3)?;
    let query = uri.query().map(|query| format!("?{query}"));
    format!("/v1/{rest}{}", query.unwrap_or_default())
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_organisation_and_the_project_are_left_out() {
        let short =
            |path: &'static str| shorter(&Uri::from_static(path)).map(|uri| uri.to_string());
        assert_eq!(
            short("/v1/orgs/a/projects/b/tools/Kit.Tool?x=%20y").as_deref(),
            Some("/v1/tools/Kit.Tool?x=%20y")
        );
        assert_eq!(short("/v1/tools"), None);
    }
}
