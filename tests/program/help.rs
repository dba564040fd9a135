//! What the program says of itself, as golden files.

use clap::CommandFactory;
use expect_test::expect_file;

#[test]
fn the_help_of_every_command_is_on_file() {
    let mut command = rustsocks::cli::Cli::command().term_width(100);
    command.build();
    let main = command.render_long_help().to_string();
    expect_file!["../../golden/help/rustsocks.txt"].assert_eq(&main);
    let names: Vec<String> = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
        .map(|command| command.get_name().to_string())
        .collect();
    for name in names {
        let help = command.find_subcommand_mut(&name).unwrap().render_long_help().to_string();
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/help");
        expect_file![folder.join(format!("{name}.txt"))].assert_eq(&help);
    }
}

#[test]
fn completions_and_manual_pages_come_out_whole() {
    use crate::support::{run, rustsocks};
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let said = run(rustsocks().args(["completions", shell]));
        assert!(said.code() == 0 && said.out.contains("rustsocks"), "{shell}: {said:?}");
    }
    let page = run(rustsocks().arg("man"));
    assert!(page.code() == 0 && page.out.contains(".TH rustsocks 1"), "{page:?}");
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(rustsocks().arg("man").arg("--dir").arg(dir.path())).code(), 0);
    assert!(dir.path().join("rustsocks-serve.1").exists());
    let lost = run(rustsocks().args(["man", "--dir", "/nowhere/at/all"]));
    assert!(lost.code() == 78 && lost.err.contains("give a folder that exists"), "{lost:?}");
}

#[test]
fn a_flag_before_its_command_and_a_file_instead_of_one_are_told_where_they_belong() {
    use crate::support::{run, rustsocks};
    for (arguments, tip) in [
        (&["--listen", "127.0.0.1:0"][..], "`rustsocks serve --listen`"),
        (&["-q"], "`rustsocks check -q`"),
        (&["office.policy"], "`rustsocks check office.policy`"),
    ] {
        let said = run(rustsocks().args(arguments));
        assert!(said.code() == 2 && said.err.contains(tip), "{arguments:?}: {said:?}");
    }
}
