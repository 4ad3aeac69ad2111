//! The rest of a client's body that no handler reads: its connection can serve another request only when the body is
//! out of the way.

use std::time::Duration;

use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};

use crate::gateway::state::connection_state::{ConnectionState, RequestBody};

/// Most bytes that are read for the sake of the next request.
const MOST: usize = 64 << 10;

/// Longest wait for them: most clients send head and body together.
const WAIT: Duration = Duration::from_millis(100);

/// Returns true if no unread body is left before the next request; the rest of a small one is read and dropped.
/// `awaited` is a client that sends its body only after a 100 response.
pub(crate) async fn is_cleared(connection: &ConnectionState, awaited: bool) -> bool {
    if connection.body() != RequestBody::Dropped {
        return true;
    }
    let Some(body) = connection.take_unread() else { return true };
    if awaited || body.size_hint().lower() > MOST as u64 {
        return false;
    }
    connection.set_body(RequestBody::Awaited);
    let rest = tokio::time::timeout(WAIT, Limited::new(body, MOST).collect()).await;
    let cleared = matches!(rest, Ok(Ok(_)));
    connection.set_body(if cleared { RequestBody::Read } else { RequestBody::Dropped });
    cleared
}
