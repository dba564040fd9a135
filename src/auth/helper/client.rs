//! The server's end of the helper: starts it, asks it, notices its death.
//!
//! It is started once, while the server still may, and never again from the dropped side.

use super::lanes::Lanes;
use super::protocol::{ANSWER_LEN, QuestionId, Word, decode_word, encode_question};
use crate::auth::HelperHealth;
use crate::auth::pam::{Answer, Outcome, Question, ServiceName};
use crate::settings::sections::{Auth, Privileges};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Shutdown};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// How the helper is set up.
#[derive(Clone, Debug)]
pub struct HelperPlan {
    /// The program that is started: this one.
    pub program: PathBuf,
    /// The folder of PAM service files instead of the system's.
    pub directory: Option<PathBuf>,
    /// How long a question may take, waiting for a worker included.
    pub timeout: Duration,
    /// Questions at a time.
    pub workers: usize,
    /// The user that it becomes.
    pub user: Option<String>,
}

/// Why there is no helper.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// It cannot be started.
    #[error("the process that asks PAM cannot be started: {0}")]
    Start(#[from] io::Error),
    /// It says that it cannot do its work.
    #[error("the process that asks PAM {0}")]
    Unfit(String),
    /// It did not say that it is ready.
    #[error("the process that asks PAM did not come up")]
    Silent,
}

/// The helper as the server sees it.
#[derive(Debug)]
pub struct Helper {
    pid: u32,
    child: Mutex<Child>,
    /// A socket that keeps the borders of frames, and says when the other end is gone.
    socket: UnixDatagram,
    timeout: Duration,
    next: AtomicU64,
    dead: AtomicBool,
    waiting: Mutex<HashMap<QuestionId, Waiting>>,
    slots: Arc<Semaphore>,
    by_service: Lanes<ServiceName>,
    by_client: Lanes<IpAddr>,
}

/// A question under way. Its places are free again once the helper has answered, whether or not
/// anybody still wants to know.
#[derive(Debug)]
struct Waiting {
    tell: oneshot::Sender<Answer>,
    _places: [OwnedSemaphorePermit; 3],
}

impl HelperPlan {
    /// What the settings ask for.
    pub fn of(auth: &Auth, privileges: &Privileges) -> Self {
        Self {
            program: this_program().into(),
            directory: auth.pam_directory.clone(),
            timeout: auth.pam_timeout.get(),
            workers: auth.pam_workers,
            user: privileges.user_privileged.clone(),
        }
    }
}

impl Helper {
    /// Starts the helper and waits until it says that it has given up what it does not need. To be
    /// called before there is a runtime.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn start(plan: &HelperPlan) -> Result<Self, HelperError> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags).map_err(io::Error::from)?;
        let ours = UnixDatagram::from(ours);
        let mut command = Command::new(&plan.program);
        command.arg("auth-helper").arg("--parent").arg(std::process::id().to_string());
        command.arg("--timeout-ms").arg(plan.timeout.as_millis().to_string());
        command.arg("--workers").arg(plan.workers.to_string());
        if let Some(directory) = &plan.directory {
            command.arg("--directory").arg(std::path::absolute(directory)?);
        }
        if let Some(user) = &plan.user {
            command.arg("--user").arg(user);
        }
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn()?;
        drop(command);
        if let Err(error) = greet(&ours) {
            let _gone = child.kill();
            let _reaped = child.wait();
            return Err(error);
        }
        ours.set_nonblocking(true)?;
        Ok(Self {
            pid: child.id(),
            child: Mutex::new(child),
            socket: ours,
            timeout: plan.timeout,
            next: AtomicU64::new(1),
            dead: AtomicBool::new(false),
            waiting: Mutex::default(),
            slots: Arc::new(Semaphore::new(plan.workers)),
            by_service: Lanes::new(plan.workers - plan.workers / 4),
            by_client: Lanes::new(plan.workers / 2),
        })
    }

    /// Asks. Answers in time, whatever a module does.
    pub async fn ask(&self, question: &Question) -> Answer {
        let deadline = Instant::now() + self.timeout;
        if self.is_dead() {
            return Answer::bare(Outcome::Failed);
        }
        let Ok(Some(places)) = timeout_at(deadline, self.places(question)).await else {
            return Answer::bare(Outcome::Busy);
        };
        let id = QuestionId(self.next.fetch_add(1, Ordering::Relaxed));
        let (tell, told) = oneshot::channel();
        self.waiting().insert(id, Waiting { tell, _places: places });
        let frame = encode_question(id, question);
        if self.socket.send(&frame).is_err() {
            self.waiting().remove(&id);
            return Answer::bare(Outcome::Failed);
        }
        drop(frame);
        // The helper counts from when it starts; it answers at the latest then.
        match timeout_at(Instant::now() + self.timeout + GRACE, told).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Answer::bare(Outcome::Failed),
            Err(_) => Answer::bare(Outcome::TimedOut),
        }
    }

    /// Hands answers to who waits for them, until it is told to stop or the helper dies.
    pub async fn listen(&self, stop: &CancellationToken) {
        let socket = self.socket.try_clone().and_then(tokio::net::UnixDatagram::from_std);
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => return self.pronounce_dead(&error.to_string()),
        };
        let mut frame = [0_u8; ANSWER_LEN + 1];
        loop {
            let heard = tokio::select! {
                () = stop.cancelled() => return,
                heard = socket.recv(&mut frame) => heard,
            };
            let word = match heard {
                Ok(0) => return self.pronounce_dead("it has gone"),
                Ok(length) => frame.get(..length).and_then(decode_word),
                Err(error) => return self.pronounce_dead(&error.to_string()),
            };
            match word {
                Some(Word::Answer(id, answer)) => self.pass_on(id, answer),
                Some(Word::Ready) => {}
                Some(Word::Unfit(why)) => return self.pronounce_dead(&why),
                None => return self.pronounce_dead("it does not keep to the protocol"),
            }
        }
    }

    /// How it is.
    pub fn health(&self) -> HelperHealth {
        if self.is_dead() { HelperHealth::Dead } else { HelperHealth::Alive { pid: self.pid } }
    }

    /// In this order always, so that nobody waits for what another holds who waits for this.
    async fn places(&self, question: &Question) -> Option<[OwnedSemaphorePermit; 3]> {
        let client = self.by_client.enter(&question.client).await?;
        let service = self.by_service.enter(&question.service).await?;
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        Some([client, service, slot])
    }

    fn pass_on(&self, id: QuestionId, answer: Answer) {
        let waiting = self.waiting().remove(&id);
        // The client may have gone meanwhile.
        let _gone = waiting.map(|waiting| waiting.tell.send(answer));
    }

    /// From here on every login through PAM fails: only who may ask PAM could start another
    /// helper, and this process has given that up.
    fn pronounce_dead(&self, why: &str) {
        self.dead.store(true, Ordering::Release);
        self.waiting().clear();
        let _gone = self.socket.shutdown(Shutdown::Both);
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let status = child.try_wait().ok().flatten().map(|status| format!(" ({status})")).unwrap_or_default();
        tracing::error!(
            "the process {} that asks PAM is lost: {why}{status}; logins through PAM fail until a restart",
            self.pid
        );
    }

    fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<QuestionId, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Helper {
    /// Hangs up: the helper ends, and what it has started with it. It need not be ours to kill.
    fn drop(&mut self) {
        let _gone = self.socket.shutdown(Shutdown::Both);
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _reaped = child.try_wait();
    }
}

/// Waits for the first word.
fn greet(socket: &UnixDatagram) -> Result<(), HelperError> {
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    let patience = PollTimeout::try_from(START_PATIENCE).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut fds, patience) {
            Err(Errno::EINTR) => {}
            Ok(1..) => break,
            Ok(_) | Err(_) => return Err(HelperError::Silent),
        }
    }
    let mut frame = [0_u8; ANSWER_LEN];
    let length = socket.recv(&mut frame)?;
    match frame.get(..length).and_then(decode_word) {
        Some(Word::Ready) => Ok(()),
        Some(Word::Unfit(why)) => Err(HelperError::Unfit(why)),
        Some(Word::Answer(..)) | None => Err(HelperError::Silent),
    }
}

/// The program that is running, whatever lies in its place by now.
pub fn this_program() -> &'static Path {
    Path::new("/proc/self/exe")
}

/// How long the helper may take to come up.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// What the server grants beyond the helper's own deadline.
const GRACE: Duration = Duration::from_secs(2);
