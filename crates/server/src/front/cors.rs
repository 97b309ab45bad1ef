//! Cross-origin REST: which pages may read the answers (the fetch standard's CORS protocol).

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, VARY,
};
use http::{HeaderValue, Method, StatusCode};
use tidings_transport_ws::{Origins, requested_headers};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE, PATCH, OPTIONS");
/// For a preflight that asks for no headers of its own.
const HEADERS: HeaderValue =
    HeaderValue::from_static("Content-Type, Authorization, X-Requested-With, Accept, Origin");
const EXPOSED: HeaderValue = HeaderValue::from_static("Retry-After, X-Request-Id");
/// How long a browser may remember a preflight's answer, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// The router, for pages of these origins too. A preflight is answered before anybody asks for a token; pages of other
/// origins get the same answers without the headers that would let them read them.
pub(crate) fn allowing(router: Router, origins: Origins) -> Router {
    let origins = Arc::new(origins);
    router.layer(middleware::from_fn(move |request: Request, next: Next| {
        let origins = Arc::clone(&origins);
        async move { answer(&origins, request, next).await }
    }))
}

async fn answer(origins: &Origins, request: Request, next: Next) -> Response {
    let origin = origins.of(request.headers()).cloned();
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let wanted = requested_headers(request.headers()).cloned();
    let mut response = if is_preflight {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        response
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    // Without an `Origin` too: a cache must not give that answer to a page.
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if is_preflight {
        headers.append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
    }
    let Some(origin) = origin else { return response };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    if is_preflight {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.unwrap_or(HEADERS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    } else {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use http::HeaderMap;
    use tower_service::Service;

    use super::*;

    async fn ask(method: Method, path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap) {
        let inner = Router::new().route("/here", get(|| async { StatusCode::UNAUTHORIZED }));
        let inner = Router::new().nest("/messaging", inner.fallback(|| async { StatusCode::NOT_FOUND }));
        let origins = Origins::exact(["https://app.example.org"]);
        let mut router =
            Router::new().route("/v1/users", get(|| async { "ok" })).merge(allowing(inner, origins));
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = router.call(request.body(Body::empty()).unwrap()).await.unwrap();
        (response.status(), response.headers().clone())
    }

    const PAGE: (&str, &str) = ("origin", "https://app.example.org");
    const FOREIGN: (&str, &str) = ("origin", "https://evil.example.org");
    const WANTED: (&str, &str) = ("access-control-request-method", "PATCH");

    fn names_of(headers: &HeaderMap) -> Vec<&str> {
        headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("access")).collect()
    }

    fn vary(headers: &HeaderMap) -> Vec<&HeaderValue> {
        headers.get_all(VARY).iter().collect()
    }

    #[tokio::test]
    async fn a_preflight_is_answered_before_anybody_asks_for_a_token() {
        for path in ["/messaging/here", "/messaging/nowhere"] {
            let (status, headers) = ask(Method::OPTIONS, path, &[PAGE, WANTED]).await;
            assert_eq!(status, StatusCode::NO_CONTENT, "{path}");
            assert_eq!(headers["access-control-allow-origin"], PAGE.1);
            assert_eq!(headers["access-control-allow-credentials"], "true");
            assert_eq!(headers["access-control-allow-methods"], "GET, POST, PUT, DELETE, PATCH, OPTIONS");
            assert!(headers["access-control-allow-headers"].to_str().unwrap().contains("Authorization"));
            assert_eq!(vary(&headers), ["Origin", "Access-Control-Request-Headers"]);
        }
    }

    #[tokio::test]
    async fn a_page_may_send_the_headers_that_it_asks_for() {
        let wanted =
            ("access-control-request-headers", "authorization,sentry-trace,traceparent,x-request-id");
        let (_, headers) = ask(Method::OPTIONS, "/messaging/here", &[PAGE, WANTED, wanted]).await;
        assert_eq!(headers["access-control-allow-headers"], wanted.1);
        assert_eq!(headers["access-control-max-age"], "600");
        let (_, headers) = ask(Method::OPTIONS, "/messaging/here", &[FOREIGN, WANTED, wanted]).await;
        assert_eq!(names_of(&headers), Vec::<&str>::new());
        // What is no list of names is not repeated.
        let odd = ("access-control-request-headers", "authorization; x");
        let (_, headers) = ask(Method::OPTIONS, "/messaging/here", &[PAGE, WANTED, odd]).await;
        assert_eq!(headers["access-control-allow-headers"], HEADERS);
    }

    #[tokio::test]
    async fn a_page_of_the_server_itself_is_not_foreign() {
        let own = [("origin", "https://chat.example.org"), ("host", "chat.example.org"), WANTED];
        for method in [Method::GET, Method::OPTIONS] {
            let (_, headers) = ask(method, "/messaging/here", &own).await;
            assert_eq!(headers["access-control-allow-origin"], own[0].1);
        }
        let other = [own[0], ("host", "api.example.org")];
        let (_, headers) = ask(Method::GET, "/messaging/here", &other).await;
        assert_eq!(names_of(&headers), Vec::<&str>::new());
    }

    #[tokio::test]
    async fn an_answer_can_be_read_by_the_page_even_when_it_is_a_refusal() {
        let (status, headers) = ask(Method::GET, "/messaging/here", &[PAGE]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert_eq!(headers["access-control-allow-origin"], PAGE.1);
        assert_eq!(headers["access-control-expose-headers"], "Retry-After, X-Request-Id");
        let (status, headers) = ask(Method::GET, "/messaging/nowhere", &[PAGE]).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(headers["access-control-allow-origin"], PAGE.1);
    }

    #[tokio::test]
    async fn foreign_pages_and_programs_get_no_such_headers() {
        for (method, given) in [
            (Method::OPTIONS, [FOREIGN, WANTED].as_slice()),
            (Method::GET, &[FOREIGN]),
            (Method::GET, &[("origin", "null")]),
            (Method::GET, &[("origin", "https://app.example.org.evil.org")]),
            (Method::GET, &[]),
        ] {
            let (_, headers) = ask(method, "/messaging/here", given).await;
            assert_eq!(names_of(&headers), Vec::<&str>::new(), "{given:?}");
            assert_eq!(vary(&headers)[0], "Origin");
        }
    }

    #[tokio::test]
    async fn what_is_merged_beside_it_is_left_alone() {
        let (_, headers) = ask(Method::GET, "/v1/users", &[PAGE]).await;
        assert_eq!(names_of(&headers), Vec::<&str>::new());
        let (status, headers) = ask(Method::OPTIONS, "/v1/users", &[PAGE, WANTED]).await;
        assert_eq!((status, names_of(&headers)), (StatusCode::METHOD_NOT_ALLOWED, Vec::new()));
    }
}
