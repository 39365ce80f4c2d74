//! Every default, in one place. The commented example quotes them, and a test holds the two together.

/// Lists that permit something permit nothing until it is written.
pub const NOTHING: &str = "[]";

/// Loopback: the admin listener shows names and numbers, and without a store it asks nobody for a token. Who wants it
/// elsewhere says so.
pub const ADMIN_ADDRESS: &str = "127.0.0.1:8082";

/// Our user and our group. Whoever calls through a socket runs as another user more often than not, in a sidecar's pod
/// above all, and shares a group with us; everybody on the machine is nobody's group.
pub const SOCKET_MODE: &str = "0660";

/// What nearly all load balancers write; `Forwarded` (RFC 7239) is what they should.
pub const FORWARDED_FIELD: &str = "x-forwarded-for";

pub const OFF: &str = "false";
pub const ON: &str = "true";

/// All three places are accepted, because existing callers use all three; a listener or workflow can be narrower.
pub const CREDENTIAL_HEADER: &str = "X-API-Key";
pub const CREDENTIAL_QUERY: &str = "auth-key";

/// The name that callers of the source platform send.
pub const ENVIRONMENT_PARAMETER: &str = "_profile";

/// Generous for people and tight for guessers: at 100 a minute a token's 256 bits outlast the sun, while an office
/// behind one address can mistype for a while. Well-formed tokens are judged even beyond it, so nobody is locked out.
pub const FAILED_AUTH_LIMIT: &str = "100/min";

/// More than a load balancer opens, and what a small machine holds; who serves a crowd directly says so. Half of the
/// process's descriptors is the cap above it, since every request may need one more for its upstream.
pub const MAX_CONNECTIONS: &str = "10000";

/// An office or a carrier's NAT behind one address stays below; one machine can no longer take the whole listener.
pub const MAX_CONNECTIONS_PER_ADDRESS: &str = "1024";

/// Bodies are streamed, so this bounds what an upstream is sent rather than our memory. 16 MiB passes documents and
/// photos; who moves films says so.
pub const MAX_BODY: &str = "16MiB";

/// Twice what common servers accept, so that cookies and long tokens pass; small enough to keep ten thousand
/// connections in memory.
pub const MAX_HEAD: &str = "16KiB";

/// What common servers accept; a longer URI is refused further on anyway, and there less clearly.
pub const MAX_URI: &str = "8KiB";

/// A head is a few packets. Whoever needs longer holds a connection open on purpose.
pub const HEAD_TIMEOUT: &str = "10s";

/// Between two parts of a body, not for the whole: slow links pass, stalled ones do not.
pub const BODY_IDLE_TIMEOUT: &str = "30s";

/// From the head to the first byte of the reply. Longer than a connection's own timeouts together, so that the reply
/// names the upstream as the cause.
pub const REQUEST_TIMEOUT: &str = "60s";

/// From the head to the first byte of a provider's reply. Models think for minutes, and their SDKs wait ten; which
/// provider may take how long, its connection says.
pub const CALL_TIMEOUT: &str = "10m";

/// Longer than the 60 s that load balancers keep connections, so that it is they who close and no request is lost in
/// between.
pub const IDLE_TIMEOUT: &str = "75s";

/// A TCP and TLS handshake around the world takes less than one; the rest is for one lost packet.
pub const CONNECT_TIMEOUT: &str = "3s";

/// To the head of the reply; half of what the caller's request may take.
pub const UPSTREAM_HEAD_TIMEOUT: &str = "30s";

/// Over TLS the handshake is what costs, and HTTP/2 needs one where HTTP/1.1 needs one per request under way; it also
/// says which requests a closing connection has not touched, so that they can be sent again. In the clear a connection
/// costs next to nothing and HTTP/1.1 is the cheaper to speak, so HTTP/2 is asked for by name there.
pub const UPSTREAM_HTTP: &str = "auto";

/// One: it covers the connection that an upstream closes at the very moment it is used, and the one instance that is
/// being restarted. More would only multiply the load on an upstream in trouble.
pub const RETRIES: &str = "1";

/// Between two parts of the reply's body. What streams events sends a comment more often than that.
pub const UPSTREAM_IDLE_TIMEOUT: &str = "60s";

/// WebSockets are quiet for long; most send a ping now and then, and an hour outlasts every usual interval.
pub const TUNNEL_TIMEOUT: &str = "1h";

/// The secret alone; a prefix such as "Bearer " is written out.
pub const INJECTED: &str = "{secret}";

/// Nearly all secrets are; a whole URL is the exception.
pub const SECRET_KIND: &str = "text";

/// What reads changes nothing.
pub const VERIFY_METHOD: &str = "GET";

/// Providers change the form of their keys without asking us: a wrong guess must not keep a gateway from starting.
pub const KEY_CHECKS: &str = "warn";

/// What callers need, and no more: administration is only granted by naming it.
pub const SCOPES: &str = "[workflows:invoke, connections:use]";

/// A webhook's sender has no key; who is to show one as well says so.
pub const REQUIRE: &str = "signature";

/// Half of what Kubernetes and systemd wait before they kill, and as long as an upstream may take to answer.
pub const DRAIN: &str = "30s";

pub const LOG_LEVEL: &str = "info";

/// Collectors read it without rules of their own.
pub const LOG_FORMAT: &str = "json";

pub const LOG_ACCESS: &str = "stdout";

/// A delivery is verified whole, so it is held whole. Four of the largest that a listener takes by itself, or sixteen
/// thousand of the few kilobytes that most are: enough for any burst that an upstream would follow, and little beside what
/// ten thousand connections take.
pub const WEBHOOK_BUFFER: &str = "64MiB";

/// A quarter of a second more is what callers notice and their time-outs do not; who waits much longer gives up, asks again and
/// adds to the load. A core with thousands of requests to work on at once is behind by less, and so is one that has to share its
/// processor with a busy neighbour.
pub const OVERLOAD_DELAY: &str = "250ms";
