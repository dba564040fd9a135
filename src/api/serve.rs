//! Connections of the API: accepted within a cap, cut off when they are slow.
//!
//! warp serves no deadline and no cap by itself, so this loop has them: a head of a request must
//! come within its time, is bounded, and an idle connection does not hold a place for long.

use super::gate::{Gate, Peer};
use super::problem::Problem;
use super::{Api, routes};
use crate::tls::TlsAcceptor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;
use warp::Reply;
use warp::http::{HeaderValue, Method, StatusCode, header};
use warp::reply::Response;

/// What bounds the API's connections.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Connections at a time; as many again over the socket in the file system.
    pub connections: usize,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long a request may take to be answered.
    pub request_timeout: Duration,
}

/// Serves an API until it is told to stop.
#[derive(Clone)]
pub struct Server {
    service: Arc<Shared>,
    tls: Option<Arc<TlsAcceptor>>,
}

struct Shared {
    filter: warp::filters::BoxedFilter<(Response,)>,
    gate: Gate,
    options: ServeOptions,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Server {
    /// A server of that API behind that gate.
    pub fn new(api: &Api, gate: Gate, options: ServeOptions, stop: CancellationToken) -> Self {
        let filter = routes::routes(api);
        let shared = Shared { filter, gate, options, tasks: TaskTracker::new(), stop };
        Self { service: Arc::new(shared), tls: None }
    }

    /// Speaks TLS over TCP.
    #[must_use]
    pub fn with_tls(mut self, tls: Option<Arc<TlsAcceptor>>) -> Self {
        self.tls = tls;
        self
    }

    /// Serves connections of a TCP listener until it is told to stop.
    pub async fn serve_tcp(&self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(self.service.options.connections));
        loop {
            let Some(place) = self.place(&places).await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.service.stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, address)) => {
                    // Answers are small: waiting to fill a packet only delays them.
                    let _kept = stream.set_nodelay(true);
                    self.spawn_tcp(stream, Peer::Tcp(address), place);
                }
                Err(error) => self.back_off(&error).await,
            }
        }
    }

    /// Serves connections of a socket in the file system until it is told to stop.
    pub async fn serve_unix(&self, listener: UnixListener) {
        let places = Arc::new(Semaphore::new(self.service.options.connections));
        loop {
            let Some(place) = self.place(&places).await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.service.stop.cancelled() => return,
            };
            match accepted {
                Ok((stream, _)) => match stream.peer_cred() {
                    Ok(peer) => self.spawn(stream, Peer::Unix(peer.uid()), place),
                    Err(error) => tracing::warn!(%error, "a caller of the API cannot be told"),
                },
                Err(error) => self.back_off(&error).await,
            }
        }
    }

    /// Waits for the connections that are served, up to a time.
    pub async fn drain(&self, longest: Duration) {
        self.service.tasks.close();
        // Event streams have no end of their own; the token has told them.
        let _in_time = tokio::time::timeout(longest, self.service.tasks.wait()).await;
    }

    async fn place(&self, places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            place = places.clone().acquire_owned() => place.ok(),
            () = self.service.stop.cancelled() => None,
        }
    }

    async fn back_off(&self, error: &std::io::Error) {
        tracing::warn!(%error, "the API cannot accept a connection");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    fn spawn_tcp(&self, stream: tokio::net::TcpStream, peer: Peer, place: OwnedSemaphorePermit) {
        let Some(tls) = self.tls.clone() else { return self.spawn(stream, peer, place) };
        let shared = self.service.clone();
        let deadline = shared.options.header_timeout;
        self.service.tasks.spawn(async move {
            if let Ok(Ok((stream, _))) = tokio::time::timeout(deadline, tls.accept(stream)).await {
                shared.connection(stream, peer).await;
            }
            drop(place);
        });
    }

    fn spawn(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        place: OwnedSemaphorePermit,
    ) {
        let shared = self.service.clone();
        self.service.tasks.spawn(async move {
            shared.connection(stream, peer).await;
            drop(place);
        });
    }
}

impl Shared {
    async fn connection(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
    ) {
        let shared = self.clone();
        let service = service_fn(move |request| {
            let shared = shared.clone();
            async move { Ok::<_, Infallible>(shared.answer(peer, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.options.header_timeout)
            .max_headers(64)
            .max_buf_size(16 * 1_024)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            served = connection => {
                if let Err(error) = served {
                    tracing::debug!(%error, "a connection of the API ends");
                }
            }
            () = self.stop.cancelled() => {}
        }
    }

    async fn answer(&self, peer: Peer, mut request: hyper::Request<hyper::body::Incoming>) -> Response {
        let origin = self.gate.allowed_origin(request.headers());
        let checked = self.gate.check(peer, request.method(), request.uri(), request.headers());
        let mut response = match checked {
            Ok(_) if request.method() == Method::OPTIONS => preflight(origin.is_some()),
            Ok(scope) => {
                request.extensions_mut().insert(scope);
                let mut service = warp::service(self.filter.clone());
                match tokio::time::timeout(self.options.request_timeout, service.call(request)).await {
                    Ok(Ok(response)) => response,
                    Ok(Err(never)) => match never {},
                    Err(_) => {
                        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this took too long").into_response()
                    }
                }
            }
            Err(problem) => problem.into_response(),
        };
        let headers = response.headers_mut();
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(&origin).ok()) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
        response
    }
}

/// What a browser asks before it asks for another origin's page.
fn preflight(allowed: bool) -> Response {
    if !allowed {
        return Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not know the method")
            .into_response();
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type"),
    );
    response
}
