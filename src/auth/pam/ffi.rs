//! The only file that calls libpam: one question, from `pam_start` to `pam_end`.
//!
//! It runs in a process of its own for each question (see `helper`), which may be killed at any
//! moment and keeps nothing. What the `pam` crate's client cannot do is done here: the client's
//! address (`PAM_RHOST`), flags, no fail delay inside the call, and passwords that are wiped.
#![expect(unsafe_code, reason = "libpam is a C library; every call stands in this file")]

use nix::libc;
use pam::ffi;
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// What is asked. All strings are the caller's for the whole call.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) service: &'a CStr,
    pub(super) user: &'a CStr,
    /// What a hidden prompt is answered with; without it such a prompt fails.
    pub(super) password: Option<&'a CStr>,
    /// INVARIANT: a numeric address. With a name there, libaudit asks DNS inside the call.
    pub(super) client: &'a CStr,
    /// The folder of service files instead of the system's.
    pub(super) directory: Option<&'a CStr>,
}

/// What libpam said.
pub(super) struct Said {
    /// The code of the call that ended it.
    pub(super) code: c_int,
    /// The user name that the modules ended with.
    pub(super) user: Vec<u8>,
    /// Error messages of the modules, for the log.
    pub(super) errors: Vec<u8>,
}

/// Authenticates and checks the account.
pub(super) fn ask(call: Call<'_>) -> Said {
    let mut talk = Talk { user: call.user, password: call.password, errors: Vec::new() };
    let conversation =
        ffi::pam_conv { conv: Some(converse), appdata_ptr: ptr::from_mut(&mut talk).cast::<c_void>() };
    let mut handle = ptr::null_mut();
    let (service, user) = (call.service.as_ptr(), call.user.as_ptr());
    // SAFETY: the strings, the conversation and `talk` outlive the handle, which ends below.
    let started = unsafe {
        match call.directory {
            Some(directory) => ffi::pam_start_confdir(
                service,
                user,
                &raw const conversation,
                directory.as_ptr(),
                &raw mut handle,
            ),
            None => ffi::pam_start(service, user, &raw const conversation, &raw mut handle),
        }
    };
    if started != ffi::PAM_SUCCESS || handle.is_null() {
        return Said { code: started, user: Vec::new(), errors: talk.errors };
    }
    let code = transact(handle, call);
    let user = user_of(handle);
    // SAFETY: the handle is live, and not used after this.
    unsafe { ffi::pam_end(handle, code | ffi::PAM_DATA_SILENT) };
    Said { code, user, errors: talk.errors }
}

fn transact(handle: *mut ffi::pam_handle_t, call: Call<'_>) -> c_int {
    let fail_delay: unsafe extern "C" fn(c_int, c_uint, *mut c_void) = skip_delay;
    let items = [
        (ffi::PAM_RHOST, call.client.as_ptr().cast::<c_void>()),
        (ffi::PAM_RUSER, call.user.as_ptr().cast()),
        (ffi::PAM_TTY, TTY.as_ptr().cast()),
        (ffi::PAM_FAIL_DELAY, fail_delay as *const c_void),
    ];
    for (item, value) in items {
        // SAFETY: the handle is live; strings are copied; the function lives for ever.
        let code = unsafe { ffi::pam_set_item(handle, item, value) };
        if code != ffi::PAM_SUCCESS {
            return code;
        }
    }
    let flags = ffi::PAM_SILENT | ffi::PAM_DISALLOW_NULL_AUTHTOK;
    // SAFETY: the handle is live.
    let code = unsafe { ffi::pam_authenticate(handle, flags) };
    if code != ffi::PAM_SUCCESS {
        return code;
    }
    // SAFETY: the handle is live.
    unsafe { ffi::pam_acct_mgmt(handle, flags) }
}

fn user_of(handle: *const ffi::pam_handle_t) -> Vec<u8> {
    let mut item = ptr::null();
    // SAFETY: the handle is live.
    let code = unsafe { ffi::pam_get_item(handle, ffi::PAM_USER, &raw mut item) };
    if code != ffi::PAM_SUCCESS || item.is_null() {
        return Vec::new();
    }
    // SAFETY: this item is a string that lives until the handle ends or the item is set.
    unsafe { CStr::from_ptr(item.cast()) }.to_bytes().to_vec()
}

/// Takes the place of libpam's own wait of two seconds after a failure: who waits is the server,
/// without holding anything.
unsafe extern "C" fn skip_delay(_code: c_int, _micros: c_uint, _data: *mut c_void) {}

/// What a conversation needs to know and gathers.
struct Talk<'a> {
    user: &'a CStr,
    password: Option<&'a CStr>,
    errors: Vec<u8>,
}

/// Answers the modules.
unsafe extern "C" fn converse(
    count: c_int,
    messages: *mut *const ffi::pam_message,
    responses: *mut *mut ffi::pam_response,
    data: *mut c_void,
) -> c_int {
    let count = match usize::try_from(count) {
        Ok(count) if (1..=MESSAGES_MAX).contains(&count) => count,
        _ => return ffi::PAM_CONV_ERR,
    };
    if messages.is_null() || responses.is_null() || data.is_null() {
        return ffi::PAM_CONV_ERR;
    }
    // SAFETY: `ask` put its `Talk` there, nobody else refers to it during the call, and libpam
    // hands over an array of `count` pointers to messages.
    let (talk, messages) =
        unsafe { (&mut *data.cast::<Talk<'_>>(), std::slice::from_raw_parts(messages, count)) };
    // A panic must not cross into C.
    let answers = catch_unwind(AssertUnwindSafe(|| answer_all(talk, messages)));
    match answers {
        Ok(Some(answers)) => {
            // SAFETY: libpam gave the place for the array; it frees the array and its strings.
            unsafe { *responses = answers };
            ffi::PAM_SUCCESS
        }
        Ok(None) | Err(_) => ffi::PAM_CONV_ERR,
    }
}

/// An array of answers in memory of malloc, which libpam frees; nothing if one has no answer.
fn answer_all(talk: &mut Talk<'_>, messages: &[*const ffi::pam_message]) -> Option<*mut ffi::pam_response> {
    let mut answers = Vec::with_capacity(messages.len());
    for message in messages {
        // SAFETY: libpam's pointers are null or good.
        let message = unsafe { message.as_ref() }?;
        answers.push(answer(talk, message)?);
    }
    // SAFETY: plain allocation; zeroed memory is a valid array of responses.
    let array = unsafe { libc::calloc(answers.len(), size_of::<ffi::pam_response>()) };
    let array = array.cast::<ffi::pam_response>();
    if array.is_null() {
        return None;
    }
    for (place, text) in answers.into_iter().enumerate() {
        let Some(text) = text else { continue };
        let copy = copy(text);
        // SAFETY: `place` is inside the array.
        unsafe { (*array.add(place)).resp = copy };
        if copy.is_null() {
            wipe(array, place);
            return None;
        }
    }
    Some(array)
}

/// The answer to one message: `Some(None)` where none is due.
fn answer<'a>(talk: &mut Talk<'a>, message: &ffi::pam_message) -> Option<Option<&'a CStr>> {
    match message.msg_style {
        ffi::PAM_PROMPT_ECHO_OFF => talk.password.map(Some),
        ffi::PAM_PROMPT_ECHO_ON => Some(Some(talk.user)),
        ffi::PAM_ERROR_MSG if !message.msg.is_null() => {
            // SAFETY: a message's text is a string that lives during the call.
            let text = unsafe { CStr::from_ptr(message.msg) }.to_bytes();
            let room = ERRORS_MAX.saturating_sub(talk.errors.len());
            talk.errors.extend(text.iter().take(room));
            Some(None)
        }
        ffi::PAM_ERROR_MSG | ffi::PAM_TEXT_INFO => Some(None),
        _ => None,
    }
}

fn copy(text: &CStr) -> *mut c_char {
    // SAFETY: the string is good; the copy belongs to libpam, or to `wipe`.
    unsafe { libc::strdup(text.as_ptr()) }
}

/// Wipes and frees the first answers and the array.
fn wipe(array: *mut ffi::pam_response, answers: usize) {
    for place in 0..answers {
        // SAFETY: `answer_all` made these, and nobody else has seen them.
        unsafe {
            let text = (*array.add(place)).resp;
            if !text.is_null() {
                libc::explicit_bzero(text.cast(), libc::strlen(text));
                libc::free(text.cast());
            }
        }
    }
    // SAFETY: `answer_all` made it.
    unsafe { libc::free(array.cast()) };
}

const TTY: &CStr = c"rustsocks";
/// `PAM_MAX_NUM_MSG`.
const MESSAGES_MAX: usize = 32;
const ERRORS_MAX: usize = 255;
