//! Becoming somebody else for good: groups, group, user, capabilities; and the proof.

use super::{PrivilegeError, refused};
use crate::settings::sections::Privileges;
use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{
    self, Gid, Group, Uid, User, getgrouplist, getresgid, getresuid, setgroups, setresgid, setresuid,
};
use std::ffi::CString;

/// Who is to be become.
#[derive(Clone, Debug)]
pub(super) struct Target {
    name: String,
    uid: Uid,
    gid: Gid,
}

/// Who the process is now.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub(super) name: String,
    pub(super) root: bool,
}

/// Whom the settings ask the server to become; nobody where it may stay who it is.
pub(super) fn target(settings: &Privileges) -> Result<Option<Target>, PrivilegeError> {
    let is_root = Uid::effective().is_root();
    let Some(name) = &settings.user_unprivileged else {
        let usual = is_root.then(|| find_user(USUAL_USER)).and_then(Result::ok);
        return usual.map(|target| with_group(target, settings)).transpose();
    };
    let target = with_group(find_user(name)?, settings)?;
    match (is_root, target.uid == Uid::effective()) {
        (true, _) => Ok(Some(target)),
        (false, true) => Ok(None),
        (false, false) => Err(PrivilegeError::NotRoot(name.clone())),
    }
}

/// The ids of the user that the server will become, if it becomes another.
pub(super) fn ids(settings: &Privileges) -> Option<(u32, u32)> {
    let target = target(settings).ok().flatten()?;
    Some((target.uid.as_raw(), target.gid.as_raw()))
}

fn find_user(name: &str) -> Result<Target, PrivilegeError> {
    let found = refused("looking up the user", User::from_name(name))?;
    let user = found.ok_or_else(|| PrivilegeError::NoUser(name.into()))?;
    Ok(Target { name: user.name, uid: user.uid, gid: user.gid })
}

fn with_group(target: Target, settings: &Privileges) -> Result<Target, PrivilegeError> {
    let Some(name) = &settings.group else { return Ok(target) };
    let found = refused("looking up the group", Group::from_name(name))?;
    let group = found.ok_or_else(|| PrivilegeError::NoGroup(name.clone()))?;
    Ok(Target { gid: group.gid, ..target })
}

/// Becomes the target and sheds every capability; root that has no target stays as it is.
pub(super) fn become_user(target: Option<&Target>) -> Result<Who, PrivilegeError> {
    if let Some(target) = target.filter(|target| !target.uid.is_root()) {
        shed_bounding(&CapsHashSet::new());
        change_ids(target)?;
    }
    let uid = Uid::effective();
    if !uid.is_root() {
        shed(&CapsHashSet::new())?;
    }
    let name = match target {
        Some(target) => target.name.clone(),
        None => User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name),
    };
    Ok(Who { name, root: uid.is_root() })
}

/// What the helper keeps: root with the few capabilities that modules use, or another user with
/// none. That user may still start the system's own set-id helpers (`unix_chkpwd`), without which
/// it could ask for nobody.
pub(super) fn become_helper(user: Option<&str>) -> Result<(), PrivilegeError> {
    let is_root = Uid::effective().is_root();
    let target = match user.map(find_user).transpose()? {
        Some(target) if !is_root && target.uid != Uid::effective() => {
            return Err(PrivilegeError::NotRoot(target.name));
        }
        target => target.filter(|target| is_root && !target.uid.is_root()),
    };
    let keep: CapsHashSet = HELPER_KEEPS.into_iter().collect();
    if is_root {
        shed_bounding(&keep);
    }
    match target {
        Some(target) => {
            change_ids(&target)?;
            shed(&CapsHashSet::new())?;
            check_ids(target.uid)
        }
        None if is_root => {
            shed(&keep)?;
            refused("PR_SET_NO_NEW_PRIVS", prctl::set_no_new_privs())
        }
        None => Ok(()),
    }
}

/// Groups first, the user last: the user may change nothing any more.
fn change_ids(target: &Target) -> Result<(), PrivilegeError> {
    let name = CString::new(target.name.as_str()).map_err(|_| PrivilegeError::NoUser(target.name.clone()))?;
    let groups = refused("looking up groups", getgrouplist(&name, target.gid))?;
    let Target { uid, gid, .. } = *target;
    refused("setgroups", setgroups(&groups))?;
    refused("setresgid", setresgid(gid, gid, gid))?;
    refused("setresuid", setresuid(uid, uid, uid))
}

/// Narrows the bounding set. Without CAP_SETPCAP it stays; `no_new_privs` makes it meaningless.
fn shed_bounding(keep: &CapsHashSet) {
    for capability in caps::all().difference(keep) {
        let _without_setpcap = caps::drop(None, CapSet::Bounding, *capability);
    }
}

/// Reduces what the process holds to `keep`, of what it has.
fn shed(keep: &CapsHashSet) -> Result<(), PrivilegeError> {
    let failed = |step| move |_| PrivilegeError::Refused { step, error: Errno::last() };
    // Kernels without ambient capabilities have none to clear.
    let _unsupported = caps::clear(None, CapSet::Ambient);
    let held = caps::read(None, CapSet::Permitted).map_err(failed("capget"))?;
    let keep: CapsHashSet = held.intersection(keep).copied().collect();
    caps::set(None, CapSet::Effective, &keep).map_err(failed("capset (effective)"))?;
    caps::set(None, CapSet::Permitted, &keep).map_err(failed("capset (permitted)"))?;
    caps::clear(None, CapSet::Inheritable).map_err(failed("capset (inheritable)"))
}

/// Tries to come back, and reads what the kernel says of every thread.
pub(super) fn check_dropped(who: &Who) -> Result<(), PrivilegeError> {
    let uid = Uid::current();
    check_ids(uid)?;
    if setgroups(&[Gid::from_raw(0)]).is_ok() {
        return Err(PrivilegeError::Regained("the groups of root"));
    }
    let gid = Gid::current();
    if !gid_is_root(gid)
        && (unistd::setgid(Gid::from_raw(0)).is_ok() || unistd::setegid(Gid::from_raw(0)).is_ok())
    {
        return Err(PrivilegeError::Regained("the group of root"));
    }
    tracing::debug!("became {} for good", who.name);
    for thread in threads() {
        check_thread(&thread)?;
    }
    Ok(())
}

fn check_ids(uid: Uid) -> Result<(), PrivilegeError> {
    let ids = refused("getresuid", getresuid())?;
    if [ids.real, ids.effective, ids.saved] != [uid; 3] {
        return Err(PrivilegeError::Regained("a part of the user"));
    }
    let groups = refused("getresgid", getresgid())?;
    if [groups.effective, groups.saved] != [groups.real; 2] {
        return Err(PrivilegeError::Regained("a part of the group"));
    }
    if unistd::setuid(Uid::from_raw(0)).is_ok() || unistd::seteuid(Uid::from_raw(0)).is_ok() {
        return Err(PrivilegeError::Regained("root"));
    }
    Ok(())
}

fn gid_is_root(gid: Gid) -> bool {
    gid.as_raw() == 0
}

/// The status files of all threads of this process.
fn threads() -> Vec<(String, String)> {
    let Ok(entries) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let status = |entry: std::fs::DirEntry| {
        let text = std::fs::read_to_string(entry.path().join("status")).ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), text))
    };
    entries.filter_map(Result::ok).filter_map(status).collect()
}

fn check_thread((thread, status): &(String, String)) -> Result<(), PrivilegeError> {
    for field in NO_CAPABILITIES {
        let value = status.lines().find_map(|line| line.strip_prefix(field)).map(str::trim);
        let none = value.is_none_or(|value| value.bytes().all(|digit| digit == b'0'));
        if !none {
            let value = value.unwrap_or_default().into();
            return Err(PrivilegeError::Left { field, value, thread: thread.clone() });
        }
    }
    Ok(())
}

const NO_CAPABILITIES: [&str; 4] = ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"];

/// The user that packages create.
const USUAL_USER: &str = "rustsocks";

/// Reading and writing what only root may (shadow, faillock), becoming the user whose file is read
/// (TOTP secrets at home), the audit log, ending modules that run as somebody else.
const HELPER_KEEPS: [Capability; 8] = [
    Capability::CAP_AUDIT_WRITE,
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    Capability::CAP_KILL,
    Capability::CAP_SETGID,
    Capability::CAP_SETUID,
];
