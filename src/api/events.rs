//! What happens, as it happens: a bounded stream that any number of callers listen to.

use crate::session::{SessionRecord, SessionView, Sink, Status};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::broadcast;
use utoipa::ToSchema;

/// Something that has happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The policy refused a request.
    Block(Arc<SessionRecord>),
    /// An attempt has ended otherwise.
    End(Arc<SessionRecord>),
    /// The policy was reloaded, or could not be.
    Reload(Reload),
    /// A session was established.
    Start(Arc<SessionRecord>),
}

/// How a reload went.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct Reload {
    /// The policy in force now.
    pub policy: String,
    /// Why it is still the old one; null if the reload took effect.
    pub failure: Option<String>,
}

impl Event {
    /// Its name in the stream.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Block(_) => "block",
            Self::End(_) => "end",
            Self::Reload(_) => "reload",
            Self::Start(_) => "start",
        }
    }

    /// Its data as JSON.
    pub fn data(&self) -> String {
        let json = match self {
            Self::Block(record) | Self::End(record) | Self::Start(record) => {
                serde_json::to_string(&SessionView::from(&**record))
            }
            Self::Reload(reload) => serde_json::to_string(reload),
        };
        // Plain data with text for keys: it can always be written.
        json.unwrap_or_default()
    }
}

/// The stream. When a listener is too slow the oldest events are lost to it, and it is told so.
#[derive(Clone, Debug)]
pub struct Events {
    sender: broadcast::Sender<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(KEPT) }
    }
}

impl Events {
    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    /// Tells all who listen.
    pub fn tell(&self, event: Event) {
        // Nobody listens most of the time.
        let _heard = self.sender.send(event);
    }

    fn is_heard(&self) -> bool {
        self.sender.receiver_count() > 0
    }
}

impl Sink for Events {
    fn began(&self, record: &Arc<SessionRecord>) {
        if self.is_heard() {
            self.tell(Event::Start(record.clone()));
        }
    }

    fn ended(&self, record: &Arc<SessionRecord>, _was_live: bool) {
        if self.is_heard() {
            let is_block = record.status == Status::Blocked;
            self.tell(if is_block { Event::Block(record.clone()) } else { Event::End(record.clone()) });
        }
    }
}

/// Events that a slow listener may be behind.
const KEPT: usize = 1_024;
