//! The helper process: listens on its socket, asks PAM in a child for each question, kills
//! children that take too long, and ends with the server.
//!
//! It has one thread and no runtime. It opens nothing, listens to nobody else and writes no log:
//! what it has to say goes over the socket.

use super::fork::in_child;
use super::protocol::{
    ANSWER_LEN, QUESTION_LEN, QuestionId, Word, decode_question, decode_word, encode_word,
};
use crate::auth::pam::{self, Answer, Outcome, Question};
use crate::privilege;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, killpg};
use nix::sys::socket::{MsgFlags, recv, send};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getppid};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// What the helper is told on its command line.
#[derive(Clone, Debug)]
pub struct HelperConfig {
    /// The server's process; without it there is no sense in living.
    pub parent: u32,
    /// The folder of PAM service files instead of the system's.
    pub directory: Option<PathBuf>,
    /// How long a question may take.
    pub timeout: Duration,
    /// Questions at a time.
    pub workers: usize,
    /// The user to become.
    pub user: Option<String>,
}

/// Why the helper ends otherwise than with the server.
#[derive(Debug, thiserror::Error)]
pub enum HelperFailure {
    /// The standard input is no socket of a server.
    #[error("started by hand: the server starts it, with a socket as standard input")]
    NoSocket,
    /// It could not give up what it must not keep.
    #[error("cannot give up its privileges: {0}")]
    Privileges(#[from] privilege::PrivilegeError),
    /// The system refuses what it needs.
    #[error("{0}")]
    System(#[from] Errno),
    /// The system refuses what it needs.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Serves questions until the server is gone.
///
/// # Errors
/// Where it cannot do its work.
pub fn run(config: &HelperConfig) -> Result<(), HelperFailure> {
    let socket = take_socket()?;
    match prepare(config) {
        Ok(()) => {
            say(&socket, &Word::Ready)?;
            Desk { config, socket, workers: Vec::new(), dying: Vec::new() }.serve()
        }
        Err(failure) => {
            say(&socket, &Word::Unfit(failure.to_string()))?;
            Err(failure)
        }
    }
}

/// The socket that came as standard input; modules find nothing there.
fn take_socket() -> Result<OwnedFd, HelperFailure> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let kind = nix::sys::socket::getsockopt(&socket, nix::sys::socket::sockopt::SockType);
    if kind != Ok(nix::sys::socket::SockType::SeqPacket) {
        return Err(HelperFailure::NoSocket);
    }
    nix::unistd::dup2_stdin(File::open("/dev/null")?)?;
    Ok(socket)
}

fn prepare(config: &HelperConfig) -> Result<(), HelperFailure> {
    // The signals of a terminal and of a service manager are the server's to act upon.
    let mut signals = SigSet::empty();
    signals.extend([Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block()?;
    privilege::confine_helper(config.user.as_deref())?;
    // The end of the server shows at the socket. To be killed with it would leave nobody to end
    // what the modules have started.
    prctl::set_child_subreaper(true)?;
    if u32::try_from(getppid().as_raw()) != Ok(config.parent) {
        return Err(HelperFailure::NoSocket);
    }
    Ok(())
}

/// The loop's state.
struct Desk<'a> {
    config: &'a HelperConfig,
    socket: OwnedFd,
    workers: Vec<Worker>,
    /// Killed children that have not gone yet.
    dying: Vec<Pid>,
}

/// A child at work.
struct Worker {
    id: QuestionId,
    pid: Pid,
    pipe: OwnedFd,
    deadline: Instant,
}

/// Whether the server still listens.
#[derive(Eq, PartialEq)]
enum Server {
    Gone,
    There,
}

impl Desk<'_> {
    fn serve(mut self) -> Result<(), HelperFailure> {
        loop {
            let (asked, answered) = self.wait()?;
            for id in answered {
                self.collect(id)?;
            }
            if asked && self.listen()? == Server::Gone {
                break;
            }
            self.kill_late()?;
            self.reap();
        }
        self.close();
        Ok(())
    }

    /// Ends the children and all that their modules have started, before it goes itself.
    fn close(mut self) {
        for worker in std::mem::take(&mut self.workers) {
            end(worker.pid);
            self.dying.push(worker.pid);
        }
        let deadline = Instant::now() + CLOSING;
        loop {
            self.dying.retain(|pid| is_alive(*pid));
            self.end_orphans();
            if self.dying.is_empty() || Instant::now() > deadline {
                return;
            }
            std::thread::sleep(DYING_LOOK);
        }
    }

    /// Waits for a question, an answer or a deadline.
    fn wait(&self) -> Result<(bool, Vec<QuestionId>), HelperFailure> {
        let mut fds = vec![PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        fds.extend(self.workers.iter().map(|worker| PollFd::new(worker.pipe.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, self.patience()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = fds.iter().map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
        let asked = ready.next().unwrap_or(false);
        let answered = self.workers.iter().zip(ready).filter(|(_, ready)| *ready);
        Ok((asked, answered.map(|(worker, _)| worker.id).collect()))
    }

    fn patience(&self) -> PollTimeout {
        let dying = (!self.dying.is_empty()).then_some(DYING_LOOK);
        let now = Instant::now();
        let next = self.workers.iter().map(|worker| worker.deadline.saturating_duration_since(now)).min();
        // A millisecond more, for what is cut off in the conversion.
        let wait = next.map(|wait| wait + Duration::from_millis(1));
        match wait.into_iter().chain(dying).min() {
            None => PollTimeout::NONE,
            Some(wait) => PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX),
        }
    }

    fn listen(&mut self) -> Result<Server, HelperFailure> {
        let mut frame = Zeroizing::new([0_u8; QUESTION_LEN + 1]);
        let length = match recv(self.socket.as_raw_fd(), frame.as_mut_slice(), MsgFlags::MSG_DONTWAIT) {
            Ok(0) | Err(Errno::ECONNRESET) => return Ok(Server::Gone),
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(Server::There),
            Err(error) => return Err(error.into()),
        };
        // What is no question can only come from a server that is no longer ours: fail closed.
        let Some((id, question)) = frame.get(..length).and_then(decode_question) else {
            return Ok(Server::Gone);
        };
        if self.workers.len() + self.dying.len() >= self.config.workers.saturating_mul(2)
            || self.workers.len() >= self.config.workers
        {
            say(&self.socket, &Word::Answer(id, Answer::bare(Outcome::Busy)))?;
            return Ok(Server::There);
        }
        match self.start(id, &question) {
            Ok(worker) => self.workers.push(worker),
            Err(_) => say(&self.socket, &Word::Answer(id, Answer::bare(Outcome::Failed)))?,
        }
        Ok(Server::There)
    }

    fn start(&self, id: QuestionId, question: &Question) -> nix::Result<Worker> {
        let directory = self.config.directory.as_deref();
        let (pid, pipe) = in_child(|| encode_word(&Word::Answer(id, pam::ask(question, directory))))?;
        Ok(Worker { id, pid, pipe, deadline: Instant::now() + self.config.timeout })
    }

    /// Passes on what a child has said, or that it died without a word.
    fn collect(&mut self, id: QuestionId) -> Result<(), HelperFailure> {
        let Some(place) = self.workers.iter().position(|worker| worker.id == id) else { return Ok(()) };
        let worker = self.workers.swap_remove(place);
        let mut frame = [0_u8; ANSWER_LEN];
        let length = nix::unistd::read(&worker.pipe, &mut frame).unwrap_or(0);
        let word = match frame.get(..length).and_then(decode_word) {
            Some(Word::Answer(of, answer)) if of == id => Word::Answer(id, answer),
            _ => Word::Answer(id, Answer::bare(Outcome::Crashed)),
        };
        self.bury(worker.pid);
        Ok(say(&self.socket, &word)?)
    }

    fn kill_late(&mut self) -> Result<(), HelperFailure> {
        let now = Instant::now();
        while let Some(place) = self.workers.iter().position(|worker| worker.deadline <= now) {
            let worker = self.workers.swap_remove(place);
            self.bury(worker.pid);
            say(&self.socket, &Word::Answer(worker.id, Answer::bare(Outcome::TimedOut)))?;
        }
        Ok(())
    }

    /// Ends a child; what its modules have started becomes ours as it goes, and goes too.
    fn bury(&mut self, pid: Pid) {
        end(pid);
        self.dying.push(pid);
        self.reap();
    }

    fn reap(&mut self) {
        let before = self.dying.len();
        self.dying.retain(|pid| is_alive(*pid));
        if self.dying.len() == before {
            return;
        }
        self.end_orphans();
    }

    /// Ends what the modules of ended children have started.
    fn end_orphans(&mut self) {
        for orphan in children() {
            let is_worker = self.workers.iter().any(|worker| worker.pid == orphan);
            if !is_worker && !self.dying.contains(&orphan) {
                end(orphan);
                self.dying.push(orphan);
            }
        }
    }
}

fn say(socket: &OwnedFd, word: &Word) -> nix::Result<()> {
    // Blocks only while more answers wait than there are workers, which the server reads.
    match send(socket.as_raw_fd(), &encode_word(word), MsgFlags::MSG_NOSIGNAL) {
        Ok(_) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(()),
        Err(error) => Err(error),
    }
}

fn end(pid: Pid) {
    // It may not have made its group yet, or be gone.
    let _gone = killpg(pid, Signal::SIGKILL);
    let _gone = nix::sys::signal::kill(pid, Signal::SIGKILL);
}

/// Our child processes. A module's program outlives the module's process in a session of its own;
/// as the subreaper we inherit it.
fn children() -> Vec<Pid> {
    match std::fs::read_to_string("/proc/thread-self/children") {
        Ok(list) => {
            list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok().map(Pid::from_raw)).collect()
        }
        // A kernel that keeps no such list.
        Err(_) => children_of(nix::unistd::getpid()),
    }
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let of = status.lines().find_map(|line| line.strip_prefix("PPid:")).map(str::trim);
        of.and_then(|of| of.parse().ok()) == Some(parent.as_raw())
    };
    pids.filter(is_child).map(Pid::from_raw).collect()
}

fn is_alive(pid: Pid) -> bool {
    matches!(waitpid(pid, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive))
}

/// How often killed children are looked after.
const DYING_LOOK: Duration = Duration::from_millis(20);
/// How long killed children may take to go once the server is gone; the kernel takes its time where
/// one waits for a disk.
const CLOSING: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_without_the_kernels_list() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let found = children_of(nix::unistd::getpid()).contains(&pid);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found);
    }
}
