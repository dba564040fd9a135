//! PAM with the real libpam, each stack in a folder of its own (`pam_start_confdir`).

use crate::support::PATIENCE;
use crate::wards::{Services, Stall, client, descendants, pam_matrix, runs, spec, status, until};
use rustsocks::auth::{AuthError, HelperHealth, SetupError, check};
use rustsocks::settings::sections::Auth;
use rustsocks::settings::value::Span;
use rustsocks_compiler::Policy;
use rustsocks_compiler::model::Model;
use rustsocks_compiler::request::Method;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

const PERMIT: &[&str] = &["auth required pam_permit.so", "account required pam_permit.so"];

#[tokio::test]
async fn a_stack_that_permits_lets_in_and_one_that_denies_does_not() {
    let services = Services::new()
        .service("permit", PERMIT)
        .service("deny", &["auth required pam_deny.so", "account required pam_permit.so"])
        .service("shut", &["auth required pam_permit.so", "account required pam_deny.so"]);
    let ward = services.ward();
    let alice = ward.login("permit", "nobody-of-this-name", "secret").await.unwrap();
    assert_eq!(alice.user.as_deref(), Some("nobody-of-this-name"));
    assert_eq!(alice.service.as_deref(), Some("permit"));
    assert_eq!(ward.login("deny", "alice", "secret").await, Err(AuthError::Refused));
    assert_eq!(ward.login("shut", "alice", "secret").await, Err(AuthError::Refused), "the account counts");
}

#[tokio::test]
async fn a_service_that_the_settings_name_is_asked_where_the_policy_names_none() {
    let services = Services::new().service("usual", PERMIT);
    let ward = services.ward_with(|settings| settings.pam_service = "usual".into());
    assert_eq!(ward.login("", "alice", "x").await.unwrap().service.as_deref(), Some("usual"));
}

#[tokio::test]
async fn a_module_learns_user_password_and_the_numeric_address_and_no_terminal() {
    let services = Services::new()
        .file("note.sh", "#!/bin/sh\numask 077\ncat > DIR/password\nenv > DIR/seen\n")
        .service(
            "exec",
            &[
                "auth required pam_exec.so expose_authtok /bin/sh DIR/note.sh",
                "account required pam_permit.so",
            ],
        );
    let ward = services.ward();
    let password: Vec<u8> = (1..=255).collect();
    ward.login_bytes("exec", "łucja".as_bytes(), &password).await.unwrap();
    let seen = std::fs::read_to_string(services.path().join("seen")).unwrap();
    for line in
        ["PAM_USER=łucja", "PAM_RUSER=łucja", "PAM_RHOST=192.0.2.7", "PAM_TTY=rustsocks", "PAM_SERVICE=exec"]
    {
        assert!(seen.lines().any(|seen| seen == line), "{line} is missing of:\n{seen}");
    }
    let mut got = std::fs::read(services.path().join("password")).unwrap();
    if got.last() == Some(&0) {
        got.pop();
    }
    assert_eq!(got, password, "whole, as the client sent it");
}

#[tokio::test]
async fn row_38_credentials_are_never_cut_at_a_nul_nor_taken_malformed() {
    let services = Services::new().service("permit", PERMIT);
    let ward = services.ward();
    let long = [b'a'; 256];
    for user in [&b""[..], b"alice\0x", b"\0", b"ali\nce", b"\x1b[31m", b"\xff\xfe", &long] {
        assert_eq!(ward.login_bytes("permit", user, b"pw").await, Err(AuthError::Refused), "{user:?}");
    }
    for password in [&b"pw\0x"[..], b"\0", &long] {
        assert_eq!(
            ward.login_bytes("permit", b"alice", password).await,
            Err(AuthError::Refused),
            "{password:?}"
        );
    }
    for password in [&b"\xff\xfe"[..], b"\n", b"\x1b[31m", b"x", &long[..255]] {
        assert!(ward.login_bytes("permit", b"alice", password).await.is_ok(), "{password:?}");
    }
}

#[tokio::test]
async fn an_address_is_asked_about_without_a_password() {
    let services = Services::new()
        .file("addresses", "192.0.2.7\n2001:db8::1\n")
        .service(
            "by-address",
            &[
                "auth required pam_listfile.so item=rhost sense=allow onerr=fail file=DIR/addresses",
                "account required pam_permit.so",
            ],
        )
        .service(
            "asks",
            &[
                &format!("auth required {} passdb=DIR/matrix", pam_matrix().display()),
                "account required pam_permit.so",
            ],
        )
        .file("matrix", "rhostusr::asks\n");
    let ward = services.ward_with(|settings| settings.failures = 10);
    let mapped: IpAddr = "::ffff:192.0.2.7".parse().unwrap();
    for good in [client(), mapped, "2001:db8::1".parse().unwrap()] {
        let identity = ward.address("by-address", good).await.unwrap();
        assert_eq!((identity.user, identity.service.as_deref()), (None, Some("by-address")), "{good}");
    }
    let other = "192.0.2.8".parse().unwrap();
    for _ in 0..20 {
        assert_eq!(ward.address("by-address", other).await, Err(AuthError::Refused));
    }
    assert!(!ward.auth.is_penalised(other), "another method may be right");
    let turned_away = (0..100).take_while(|_| !ward.auth.is_penalised(other));
    // One or two more where a loaded machine gave time to pay back.
    let turned_away = turned_away.inspect(|_| ward.auth.turned_away(other)).count();
    assert!((9..=20).contains(&turned_away), "{turned_away}");
    assert_eq!(ward.address("by-address", other).await, Err(AuthError::Penalised), "and PAM is left alone");
    assert!(ward.address("asks", client()).await.is_err(), "nothing answers a prompt");
}

#[tokio::test]
async fn a_list_of_users_decides() {
    let services = Services::new().file("users", "alice\nbob\n").service(
        "listed",
        &[
            "auth required pam_listfile.so item=user sense=allow onerr=fail file=DIR/users",
            "account required pam_permit.so",
        ],
    );
    let ward = services.ward();
    assert!(ward.login("listed", "alice", "x").await.is_ok());
    assert_eq!(ward.login("listed", "eve", "x").await, Err(AuthError::Refused));
    assert_eq!(ward.login("listed", "alic", "x").await, Err(AuthError::Refused));
}

#[tokio::test]
async fn a_table_of_passwords_decides() {
    let matrix = pam_matrix();
    let matrix = matrix.display();
    let services = Services::new().file("table", "alice:correct horse:matrix\nbob:secret:other\n").service(
        "matrix",
        &[
            &format!("auth required {matrix} passdb=DIR/table"),
            &format!("account required {matrix} passdb=DIR/table"),
        ],
    );
    let ward = services.ward();
    assert!(ward.login("matrix", "alice", "correct horse").await.is_ok());
    for (user, password) in [("alice", "wrong"), ("alice", "correct hors"), ("bob", "secret"), ("eve", "x")] {
        assert_eq!(ward.login("matrix", user, password).await, Err(AuthError::Refused), "{user} {password}");
    }
}

#[tokio::test]
async fn accepted_credentials_are_remembered_only_if_the_settings_say_so() {
    let services = Services::new().file("count.sh", "echo >> DIR/asked\n").service(
        "count",
        &["auth required pam_exec.so /bin/sh DIR/count.sh", "account required pam_permit.so"],
    );
    let asked = || std::fs::read(services.path().join("asked")).unwrap().len();
    let ward = services.ward();
    for _ in 0..2 {
        ward.login("count", "alice", "x").await.unwrap();
    }
    assert_eq!(asked(), 2);
    let ward = services.ward_with(|settings| settings.remember = Span::minutes(60));
    for _ in 0..3 {
        ward.login("count", "alice", "x").await.unwrap();
    }
    assert_eq!(asked(), 3);
    ward.login("count", "alice", "y").await.unwrap();
    let spec = spec(Method::PamUsername, "count");
    ward.auth.password(&spec, "192.0.2.8".parse().unwrap(), b"alice", b"x").await.unwrap();
    assert_eq!(asked(), 5, "another password or address is asked about");
}

#[tokio::test]
async fn a_program_that_says_no_is_a_refusal_and_guessing_at_it_is_punished() {
    let services = Services::new()
        .file("check.sh", "test \"$(tr -d '\\0')\" = 'correct horse'\n")
        .service(
            "program",
            &[
                "auth required pam_exec.so expose_authtok quiet /bin/sh DIR/check.sh",
                "account required pam_permit.so",
            ],
        )
        .service("locked", &["auth required pam_permit.so", "account required pam_exec.so /bin/false"]);
    let ward = services.ward_with(|settings| settings.failures = 5);
    assert!(ward.login("program", "alice", "correct horse").await.is_ok());
    assert_eq!(ward.login("locked", "alice", "x").await, Err(AuthError::Refused));
    for n in 0..100 {
        match ward.login("program", "alice", &format!("guess {n}")).await {
            Err(AuthError::Refused) => {}
            Err(AuthError::Penalised) => return,
            other => panic!("{other:?}"),
        }
    }
    panic!("a hundred guesses were looked at");
}

#[tokio::test]
async fn a_stack_that_does_not_work_is_no_refusal() {
    let services = Services::new()
        .service("missing-module", &["auth required pam_no_such_module_here.so"])
        .service("dies", &["auth required pam_exec.so /bin/sh DIR/die.sh", "account required pam_permit.so"])
        .file("die.sh", "kill -9 $PPID\nsleep 1\n")
        .service("permit", PERMIT);
    let ward = services.ward();
    for service in ["missing-module", "no-such-service", "dies", "../permit"] {
        assert_eq!(ward.login(service, "alice", "x").await, Err(AuthError::Unavailable), "{service}");
    }
    assert!(ward.login("permit", "alice", "x").await.is_ok(), "others are not affected");
}

#[test]
fn a_missing_service_file_is_an_error_at_the_start() {
    let services = Services::new().service("rustsocks", PERMIT);
    let settings = Auth { pam_directory: Some(services.path().into()), ..Auth::default() };
    let policy = |methods: &[(Method, &str)]| {
        let methods = methods.iter().map(|(method, service)| spec(*method, service)).collect();
        Policy::compile(Arc::new(Model { methods, ..Model::default() }))
    };
    assert!(check(&settings, &policy(&[(Method::PamUsername, "")])).is_ok());
    let error =
        check(&settings, &policy(&[(Method::PamUsername, ""), (Method::PamAddress, "gone")])).unwrap_err();
    assert!(matches!(&error, SetupError::NoService { service, .. } if service.as_str() == "gone"), "{error}");
    let error = check(&settings, &policy(&[(Method::Password, "")])).unwrap_err();
    assert!(matches!(error, SetupError::NoUsers), "{error}");
    assert!(check(&Auth::default(), &policy(&[(Method::None, "")])).is_ok());
}

#[tokio::test]
async fn row_41_a_stalled_module_holds_up_nobody_else_and_piles_up_nothing() {
    let services = Services::new()
        .service("stalls", &["auth required pam_exec.so /bin/sleep 300", "account required pam_permit.so"])
        .service("permit", PERMIT);
    let ward = services.ward_with(|settings| {
        settings.pam_workers = 4;
        settings.pam_timeout = Span::secs(12);
    });
    let stalled: Vec<_> = (0..12_u8)
        .map(|n| {
            let auth = ward.auth.clone();
            let client = IpAddr::from([198, 51, 100, n]);
            tokio::spawn(async move {
                auth.password(&spec(Method::PamUsername, "stalls"), client, b"alice", b"x").await
            })
        })
        .collect();
    let helper = ward.helper();
    until("a module that stalls", move || (!descendants(helper).is_empty()).then_some(())).await;
    for _ in 0..20 {
        assert!(ward.login("permit", "bob", "x").await.is_ok(), "others log in meanwhile");
        let (workers, threads) = (descendants(helper), status(helper, "Threads:"));
        // Three workers of one service, each with the program that it started, and one for `bob`.
        assert!(workers.len() <= 2 * 4, "{workers:?}");
        assert_eq!(threads.as_deref(), Some("1"));
    }
    for task in stalled {
        assert_eq!(task.await.unwrap(), Err(AuthError::Unavailable));
    }
    until("the end of all that was started", move || descendants(helper).is_empty().then_some(())).await;
    assert!(ward.login("permit", "bob", "x").await.is_ok());
}

#[tokio::test]
async fn row_42_a_failure_does_not_wait_inside_the_call() {
    // pam_faildelay asks for 5 minutes here; libpam itself would wait before it returns.
    let services = Services::new().service(
        "slow-to-refuse",
        &["auth optional pam_faildelay.so delay=300000000", "auth required pam_deny.so"],
    );
    let ward = services.ward();
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(ward.login("slow-to-refuse", "alice", "x").await, Err(AuthError::Refused));
    }
    assert!(start.elapsed() < PATIENCE);
}

#[tokio::test]
async fn when_the_helper_dies_logins_fail_closed_and_the_health_says_so() {
    // A helper that is killed can end nothing any more.
    let stall = Stall::new();
    let stack = [&format!("auth required pam_exec.so {}", stall.command), "account required pam_permit.so"];
    let services = Services::new().service("permit", PERMIT).service("stalls", &stack);
    let ward = services.ward();
    assert!(ward.login("permit", "alice", "x").await.is_ok());
    assert!(ward.auth.health().is_ok());
    let helper = ward.helper();
    let auth = ward.auth.clone();
    let waiting = tokio::spawn(async move {
        auth.password(&spec(Method::PamUsername, "stalls"), client(), b"alice", b"x").await
    });
    let program = stall.command.clone();
    until("a question under way", move || runs(&program).then_some(())).await;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(helper).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(waiting.await.unwrap(), Err(AuthError::Unavailable), "who waits is told");
    assert_eq!(ward.auth.health().helper, HelperHealth::Dead);
    assert!(!ward.auth.health().is_ok());
    assert_eq!(ward.login("permit", "alice", "x").await, Err(AuthError::Unavailable));
}

#[tokio::test]
async fn the_helper_ends_with_the_server_and_takes_its_modules_along() {
    let stall = Stall::new();
    let program = stall.command.clone();
    let services = Services::new().service(
        "stalls",
        &[&format!("auth required pam_exec.so {program}"), "account required pam_permit.so"],
    );
    let ward = services.ward();
    let helper = ward.helper();
    let auth = ward.auth.clone();
    let task = tokio::spawn(async move {
        auth.password(&spec(Method::PamUsername, "stalls"), client(), b"alice", b"x").await
    });
    let wanted = program.clone();
    until("a question under way", move || runs(&wanted).then_some(())).await;
    task.abort();
    drop(ward);
    let gone = move || status(helper, "State:").is_none_or(|state| state.starts_with('Z')).then_some(());
    until("the end of the helper", gone).await;
    // What a module has started has a session of its own, and ends all the same.
    until("the end of the program", move || (!runs(&program)).then_some(())).await;
}

#[test]
fn the_helper_does_nothing_when_it_is_started_by_hand() {
    let mut command = crate::support::rustsocks();
    command.args(["auth-helper", "--parent", "1", "--timeout-ms", "1000", "--workers", "1"]);
    let said = crate::support::run(&mut command);
    assert_eq!(said.code(), 78);
    assert!(said.err.contains("started by hand"), "{}", said.err);
}
