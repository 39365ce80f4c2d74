//! The demo's upstream: says what reached it, and insists on its own key.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Serves on a free loopback port until the runtime ends. `keys`: environment and the key it insists on.
pub async fn serve(keys: &'static [(&'static str, &'static str)]) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = service_fn(move |request| async move { Ok::<_, Infallible>(answer(&request, keys)) });
            let server = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
            tokio::spawn(async move {
                // A caller that hangs up is no concern of a sample.
                let _ = server.await;
            });
        }
    });
    Ok(address)
}

fn answer(request: &Request<Incoming>, keys: &[(&str, &str)]) -> Response<Full<Bytes>> {
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or("(none)");
    let mine = header("x-engine-key");
    let environment = keys.iter().find(|(_, key)| *key == mine).map(|(environment, _)| *environment);
    let (status, body) = match environment {
        None => (StatusCode::UNAUTHORIZED, serde_json::json!({ "engine": "I do not know this key" })),
        Some(environment) => {
            let seen = serde_json::json!({
                "engine": environment,
                "i_was_asked": format!("{} {}", request.method(), request.uri()),
                "my_own_key_came_in": format!("X-Engine-Key: {mine}"),
                "the_callers_key_did_not": header("authorization"),
                "who_called": header("x-keystile-username"),
                "workflow": header("x-keystile-workflow"),
            });
            (StatusCode::OK, seen)
        }
    };
    let mut reply = Response::new(Full::from(serde_json::to_string_pretty(&body).unwrap_or_default() + "\n"));
    *reply.status_mut() = status;
    reply.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    reply
}
