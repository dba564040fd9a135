//! What people forget: the direction of the arrows, headers, sizes, links, pages for codes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the tree with its path from the root, `/` between folders.
struct File {
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All text files with one of these extensions, outside `target` and hidden folders other than `.ci`.
fn files(extensions: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                let is_ours = name == ".ci" || !(name.starts_with('.') || SKIPPED.contains(&&*name));
                folders.extend(is_ours.then_some(path));
            } else if extensions.contains(&path.extension().and_then(|e| e.to_str()).unwrap_or(""))
                && let Ok(text) = fs::read_to_string(&path)
            {
                found.push(File { path: relative(&path), text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn rust() -> Vec<File> {
    files(&["rs"])
}

/// The code of a file in front of its unit tests.
fn code(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text)
}

/// Lines of code that hold a word, comments aside.
fn lines_with<'a>(file: &'a File, words: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    let numbered = code(&file.text).lines().enumerate();
    numbered.filter(|(_, line)| !line.trim_start().starts_with("//")).filter_map(|(at, line)| {
        let word = words.iter().find(|word| line.contains(**word))?;
        Some(format!("{}:{}: `{word}`", file.path, at + 1))
    })
}

fn none(problems: impl IntoIterator<Item = String>, rule: &str) {
    let problems: Vec<String> = problems.into_iter().collect();
    assert!(problems.is_empty(), "{rule}\n  {}", problems.join("\n  "));
}

/// No file under `inside` but those under `except` may hold one of the words.
fn forbid(inside: &[&str], except: &[&str], words: &[&str], rule: &str) {
    let files = rust();
    let among = |path: &str, list: &[&str]| list.iter().any(|prefix| path.starts_with(prefix));
    let watched: Vec<&File> =
        files.iter().filter(|f| among(&f.path, inside) && !among(&f.path, except)).collect();
    assert!(!watched.is_empty(), "there is nothing under {inside:?}: this rule has lost its object");
    none(watched.into_iter().flat_map(|file| lines_with(file, words)), rule);
}

#[test]
fn the_compiler_is_pure() {
    let words = [
        "tokio",
        "std::fs",
        "std::env",
        "std::process",
        "std::thread",
        "TcpStream",
        "UdpSocket",
        "Instant",
        "SystemTime",
        "println!",
        "print!(",
        "tracing::",
        "rustsocks::",
    ];
    forbid(&["compiler/src/"], &[], &words, "compiler/ opens nothing, asks no clock, prints nothing");
}

#[test]
fn codecs_know_no_runtime() {
    forbid(&["src/socks/"], &[], &["tokio", "std::net::Tcp", "std::io"], "src/socks/ is pure");
}

#[test]
fn only_the_command_line_prints() {
    let words = ["println!", "print!(", "anstream", "io::stdout", "io::stderr", "dbg!"];
    forbid(&["src/"], &["src/cli/"], &words, "only src/cli/ prints");
}

#[test]
fn only_the_store_knows_redb() {
    forbid(&["src/"], &["src/store/"], &["redb"], "only src/store/ knows redb");
}

#[test]
fn only_the_api_and_the_command_line_know_http_libraries() {
    let words = ["warp::", "hyper::", "hyper_util", "http_body"];
    forbid(&["src/"], &["src/api/", "src/cli/"], &words, "only src/api/ and src/cli/ know HTTP");
}

#[test]
fn only_the_language_server_knows_json_rpc() {
    forbid(
        &["src/", "compiler/src/"],
        &["src/lsp"],
        &["jsonrpc", "lsp_types", "lsp_server"],
        "only src/lsp knows JSON-RPC",
    );
}

#[test]
fn the_road_knows_no_sink() {
    let road = [
        "src/auth/",
        "src/connection/",
        "src/dial",
        "src/limits",
        "src/policy/",
        "src/relay/",
        "src/resolve",
        "src/server/",
        "src/session/",
        "src/socks/",
    ];
    let words = ["crate::api", "crate::cli", "crate::lsp", "crate::metrics", "crate::store"];
    forbid(&road, &[], &words, "the road hands out records and knows no sink");
}

#[test]
fn the_api_reads_handles_and_never_the_insides_of_the_server() {
    let files = rust();
    let api = files.iter().filter(|file| file.path.starts_with("src/api/"));
    let words = ["crate::cli", "crate::connection", "crate::dial", "crate::relay", "crate::server"];
    none(api.flat_map(|file| lines_with(file, &words)), "src/api/ reads handles only");
}

#[test]
fn every_module_opens_with_what_it_is() {
    let bare = rust().into_iter().filter(|file| {
        let first = file.text.lines().find(|line| !line.starts_with("#!") && !line.is_empty());
        !first.is_some_and(|line| line.starts_with("//! "))
    });
    none(bare.map(|file| file.path), "a module opens with `//!`: what it is");
}

#[test]
fn a_file_holds_one_concept() {
    let long = rust().into_iter().filter_map(|file| {
        let lines = code(&file.text).lines().count();
        let limit = if file.path.contains("tests/") { TEST_LINES } else { LINES };
        let limit = LONG.iter().find(|(path, _)| *path == file.path).map_or(limit, |&(_, limit)| limit);
        (lines > limit).then(|| format!("{}: {lines} lines, {limit} at most", file.path))
    });
    none(long, "a file that grows past the limit holds two concepts: split it");
}

#[test]
fn nothing_is_left_for_later_or_silenced() {
    let words = ["todo!(", "unimplemented!(", "TODO", "FIXME", "XXX", "#[allow(", "#[ignore]"];
    let all = rust().into_iter().filter(|file| file.path != "tests/tidy.rs").flat_map(|file| {
        let lines = file.text.lines().enumerate();
        let held = lines.filter_map(|(at, line)| {
            words
                .iter()
                .find(|word| line.contains(**word))
                .map(|word| format!("{}:{}: `{word}`", file.path, at + 1))
        });
        held.collect::<Vec<_>>()
    });
    none(all, "do it or open an issue; expect a lint with a reason instead of allowing it");
}

#[test]
fn unsafe_code_stands_only_where_it_must() {
    let holders = rust().into_iter().filter(|file| file.path != "tests/tidy.rs").filter(|file| {
        file.text
            .lines()
            .any(|line| line.contains("expect(unsafe_code") || line.contains("allow(unsafe_code"))
    });
    let others = holders.map(|file| file.path).filter(|path| !UNSAFE.contains(&&**path));
    none(others, "unsafe code needs a place in this list and a reason");
}

#[test]
fn no_text_names_the_machine_it_was_written_on() {
    let extensions = [
        "rs", "md", "toml", "yml", "yaml", "sh", "policy", "ron", "conf", "service", "json", "txt", "py",
        "js",
    ];
    let words = [concat!("/", "work/"), concat!("/root", "/."), concat!("index.", "crates.io")];
    let named = files(&extensions).into_iter().flat_map(|file| {
        let lines = file.text.lines().enumerate();
        let held = lines.filter_map(|(at, line)| {
            words.iter().find(|word| line.contains(**word)).map(|_| format!("{}:{}", file.path, at + 1))
        });
        held.collect::<Vec<_>>()
    });
    none(named, "no file names a path of the machine it was written on");
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for file in files(&["md"]) {
        let folder = root().join(&file.path).parent().map(Path::to_path_buf).unwrap_or_default();
        for (at, link) in links(&file.text) {
            let (path, anchor) =
                link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { root().join(&file.path) } else { folder.join(path) };
            let holds = target.exists()
                && anchor
                    .is_none_or(|anchor| !path_is_markdown(&target) || anchors(&target).contains(anchor));
            if !holds {
                broken.push(format!("{}:{at}: {link}", file.path));
            }
        }
    }
    none(broken, "a link leads to a file, and its anchor to a heading");
}

fn path_is_markdown(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// Targets of `[text](target)` that are in the tree, with their lines; code is skipped.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut is_code = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        // What stands between backticks is code: keep the even pieces.
        for prose in line.split('`').step_by(2) {
            for rest in prose.split("](").skip(1) {
                let link = rest.split([')', ' ']).next().unwrap_or("");
                let is_outside = ["http:", "https:", "mailto:"].iter().any(|scheme| link.starts_with(scheme));
                if !link.is_empty() && !is_outside {
                    found.push((at + 1, link));
                }
            }
        }
        // A link whose text is code: [`x`](y).
        for rest in line.split("`](").skip(1) {
            let link = rest.split([')', ' ']).next().unwrap_or("");
            if !link.is_empty() && !link.contains("://") {
                found.push((at + 1, link));
            }
        }
    }
    found
}

/// Anchors of the headings of a document, as forges make them.
fn anchors(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn every_code_has_a_page_and_a_golden_pair() {
    let mut codes = BTreeSet::new();
    for file in rust().into_iter().filter(|file| file.path.starts_with("compiler/src/")) {
        for rest in code(&file.text).split("\"RS").skip(1) {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if digits.len() == 4 {
                codes.insert(format!("RS{digits}"));
            }
        }
    }
    let lacking = codes.iter().flat_map(|code| {
        let wanted: [PathBuf; 2] =
            [root().join(format!("docs/diagnostics/{code}.md")), root().join(format!("golden/lint/{code}"))];
        wanted.into_iter().filter(|path| !path.exists()).map(|path| relative(&path))
    });
    none(lacking, "a code has a page in docs/diagnostics/ and its examples in golden/lint/");
}

#[test]
fn every_dependency_is_used() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let sources: String =
        rust().into_iter().filter(|file| !file.path.starts_with("compiler/")).map(|file| file.text).collect();
    let mut section = "";
    let mut unused = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
            continue;
        }
        if !matches!(section, "[dependencies]" | "[dev-dependencies]") {
            continue;
        }
        let Some(name) = line.split(['=', '.', ' ']).next().filter(|name| !name.is_empty()) else { continue };
        let module = name.replace('-', "_");
        let is_used = [format!("{module}::"), format!("{module};"), format!("use {module} ")]
            .iter()
            .any(|form| sources.contains(form));
        if !is_used && !line.starts_with('#') {
            unused.push(name.to_string());
        }
    }
    none(unused, "a dependency that nothing uses is taken out");
}

/// Folders that hold no source of ours.
const SKIPPED: [&str; 3] = ["target", "node_modules", "corpus"];
/// Lines of code in front of the unit tests.
const LINES: usize = 600;
/// Lines of a file of tests.
const TEST_LINES: usize = 600;
/// Files that may be longer, with their own limits, each because it is one long list.
const LONG: [(&str, usize); 1] = [("compiler/src/syntax/build.rs", 700)];
/// Files that may hold unsafe code.
const UNSAFE: [&str; 5] = [
    "compiler/tests/allocation.rs",
    "src/auth/helper/fork.rs",
    "src/auth/pam/ffi.rs",
    "src/relay/queue.rs",
    "src/resident.rs",
];
