//! SOCKS5 with a password (RFC 1929), byte by byte.

use crate::support::connect;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;

/// Offers methods and gives the one that is chosen.
pub fn greet(proxy: SocketAddr, methods: &[u8]) -> (TcpStream, u8) {
    let mut stream = connect(proxy);
    let mut greeting = vec![5, u8::try_from(methods.len()).expect("is short")];
    greeting.extend(methods);
    stream.write_all(&greeting).expect("is sent");
    let mut choice = [0; 2];
    stream.read_exact(&mut choice).expect("is answered");
    assert_eq!(choice[0], 5);
    (stream, choice[1])
}

/// The message of RFC 1929.
pub fn credentials(user: &[u8], password: &[u8]) -> Vec<u8> {
    let length = |field: &[u8]| u8::try_from(field.len()).expect("is short");
    [&[1, length(user)], user, &[length(password)], password].concat()
}

/// Logs in; gives all that the server says to the credentials until it closes or lets in.
pub fn login(proxy: SocketAddr, user: &[u8], password: &[u8]) -> Vec<u8> {
    let (mut stream, method) = greet(proxy, &[2]);
    assert_eq!(method, 2);
    stream.write_all(&credentials(user, password)).expect("is sent");
    answer(&mut stream)
}

/// Two bytes where they let in; else all until the close.
pub fn answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut said = Vec::new();
    while said != [1, 0] {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => said.push(byte[0]),
            Ok(_) => break,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
    }
    said
}

/// A users file of one user, which everybody may reach and only its owner read.
pub fn users_file(user: &str, password: &str) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().prefix("rustsocks-users-").tempfile_in("/tmp").expect("a file");
    let hash = rustsocks::auth::PasswordHash::create(password.as_bytes()).expect("is hashed");
    std::fs::write(file.path(), format!("{user}:{}\n", hash.as_str())).expect("is written");
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).expect("is ours");
    file
}

/// A folder that the user the server becomes can reach, wherever the tests themselves run.
pub fn open_folder() -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("rustsocks-drop-").tempdir_in("/tmp").expect("a folder");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("is ours");
    dir
}
