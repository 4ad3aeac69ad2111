//! The rest of a client's body that no handler reads: its connection can serve another request only when the body is
//! out of the way.

use std::future::poll_fn;
use std::time::Duration;

use crate::gateway::http::client_socket::{BodyError, ClientSocket, SharedSocket};
use crate::gateway::state::connection_state::{ConnectionState, RequestBody};

/// Most bytes that are read for the sake of the next request.
const MOST: u64 = 64 << 10;

/// Longest wait for them: most clients send head and body together.
const WAIT: Duration = Duration::from_millis(100);

/// Returns true if no unread body is left before the next request; the rest of a small one is read and dropped.
/// `awaited` is a client that sends its body only after a 100 response.
pub(super) async fn is_cleared(socket: &SharedSocket, state: &ConnectionState, awaited: bool) -> bool {
    let framing = socket.lock().framing();
    if framing.is_at_end() {
        return true;
    }
    let is_small = framing.remaining().is_none_or(|rest| rest <= MOST);
    if awaited || !is_small || state.is_overrun() {
        return false;
    }
    state.set_body(RequestBody::Awaited);
    let cleared = matches!(tokio::time::timeout(WAIT, discard(socket)).await, Ok(Ok(true)));
    state.set_body(if cleared { RequestBody::Read } else { RequestBody::Dropped });
    cleared
}

/// Reads and drops the rest of the body; false where it is longer than that.
async fn discard(socket: &SharedSocket) -> Result<bool, BodyError> {
    let mut rest = MOST;
    while let Some(bytes) = poll_fn(|cx| ClientSocket::poll_body(&mut socket.lock(), cx)).await? {
        match rest.checked_sub(bytes.len() as u64) {
            Some(less) => rest = less,
            None => return Ok(false),
        }
    }
    Ok(true)
}
