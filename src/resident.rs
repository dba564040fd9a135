//! The memory that the start, or a compiled policy, leaves behind: pages of code that only it has
//! run, and free pieces of the heap. Of the code, what is given back is what this process keeps
//! resident, not what the system keeps of the program in its page cache: whatever is run again comes
//! back from there, sixteen pages a fault.
#![expect(
    unsafe_code,
    reason = "madvise(2) and malloc_trim(3) have no safe form; every call stands in this file"
)]

use nix::libc::c_void;
use nix::sys::mman::{MmapAdvise, madvise};
use std::io;
use std::ops::Range;
use std::ptr::NonNull;

/// Gives back what is resident and not needed; says how many bytes of mappings were gone through.
///
/// # Errors
/// The system does not tell what is mapped.
pub fn give_back() -> io::Result<usize> {
    let program = std::fs::read_link("/proc/self/exe")?;
    let mappings = std::fs::read_to_string("/proc/self/smaps")?;
    let unwritten = unwritten(&mappings, program.to_str().unwrap_or_default());
    let gone_through = unwritten.into_iter().filter(drop_pages).map(|mapping| mapping.len()).sum();
    trim_heap();
    Ok(gone_through)
}

/// Lets the pages of a mapping go.
fn drop_pages(mapping: &Range<usize>) -> bool {
    let Some(start) = NonNull::new(std::ptr::with_exposed_provenance_mut::<c_void>(mapping.start)) else {
        return false;
    };
    // SAFETY: the mapping is private, of a file, cannot be written and holds no page that differs
    // from its file (`unwritten`): whoever reads or runs it next reads the same bytes from the file.
    // It is code, or the program itself, which nobody maps anew: it is what it was when it was listed.
    unsafe { madvise(start, mapping.len(), MmapAdvise::MADV_DONTNEED) }.is_ok()
}

/// The C library keeps freed memory for later; a compiler frees much that nobody asks for again.
fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the locks of the heap itself and moves nothing that is in use.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

/// The mappings of `/proc/self/smaps` whose pages can be let go: private, of a file, never to be
/// written, and with no page of their own (relocated, or written by a debugger). Of libraries only
/// their code: while one is loaded, what will be its data may look like constants for a moment.
fn unwritten(smaps: &str, program: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut current = None;
    for line in smaps.lines() {
        if let Some(mapping) = Mapping::parse(line) {
            found.extend(current.replace(mapping).filter(|before| before.is_unwritten(program)));
        } else if let Some(mapping) = &mut current {
            mapping.learn(line);
        }
    }
    found.extend(current.filter(|last| last.is_unwritten(program)));
    found.into_iter().map(|mapping| mapping.range).collect()
}

/// One mapping.
struct Mapping<'a> {
    range: Range<usize>,
    rights: &'a str,
    path: &'a str,
    /// Pages that differ from the file, in memory and swapped out, in KiB; `None`: not told.
    own: Option<u64>,
    swapped: Option<u64>,
}

impl<'a> Mapping<'a> {
    /// From its first line, `start-end rights offset device inode   path`.
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        let (rights, path) = (words.next()?, words.nth(3)?.trim_start());
        Some(Self { range, rights, path, own: None, swapped: None })
    }

    /// From one of those after it.
    fn learn(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        let kib = || value.trim().strip_suffix("kB").and_then(|kib| kib.trim_end().parse().ok());
        match name {
            "Anonymous" => self.own = kib(),
            "Swap" => self.swapped = kib(),
            _ => {}
        }
    }

    fn is_unwritten(&self, program: &str) -> bool {
        let is_constant = match self.rights {
            "r-xp" => self.path.starts_with('/'),
            "r--p" => self.path == program && program.starts_with('/'),
            _ => false,
        };
        is_constant && self.own == Some(0) && self.swapped.is_none_or(|kib| kib == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mapping as the kernel tells of it.
    fn told(range: &str, rights: &str, path: &str, own: u32, swapped: u32) -> String {
        format!(
            "{range} {rights} 00000000 fe:00 1234                       {path}\nSize:  4 kB\nRss:  4 kB\n\
             Anonymous:     {own} kB\nSwap:          {swapped} kB\nVmFlags: rd mr mw me sd\n"
        )
    }

    #[test]
    fn only_what_is_as_its_file_says_is_let_go() {
        let smaps = [
            told("1000-2000", "r--p", "/opt/with space/rustsocks", 0, 0),
            told("2000-5000", "r-xp", "/opt/with space/rustsocks", 0, 0),
            told("5000-6000", "r-xp", "/opt/with space/rustsocks", 4, 0),
            told("6000-7000", "r-xp", "/opt/with space/rustsocks", 0, 4),
            told("7000-8000", "r--p", "/opt/with space/rustsocks", 4, 0),
            told("8000-9000", "rw-p", "/opt/with space/rustsocks", 0, 0),
            told("9000-a000", "r-xs", "/opt/with space/rustsocks", 0, 0),
            told("a000-b000", "rwxp", "/opt/with space/rustsocks", 0, 0),
            told("b000-c000", "rw-p", "[heap]", 8, 0),
            told("c000-d000", "r--p", "/lib/libc.so.6", 0, 0),
            told("d000-e000", "r-xp", "/lib/libc.so.6", 0, 0),
            told("e000-f000", "r-xp", "[vdso]", 0, 0),
            told("f000-10000", "r-xp", "", 0, 0),
            told("10000-11000", "---p", "/lib/libc.so.6", 0, 0),
        ];
        let ranges = unwritten(&smaps.concat(), "/opt/with space/rustsocks");
        assert_eq!(ranges, [0x1000..0x2000, 0x2000..0x5000, 0xd000..0xe000]);
    }

    #[test]
    fn what_is_not_told_is_kept() {
        assert!(unwritten("1000-2000 r-xp 00000000 fe:00 1234   /bin/x\nSize: 4 kB\n", "/bin/x").is_empty());
        assert!(unwritten("nonsense\n\n1000-zz00 r-xp 0 0 0 /bin/x\nAnonymous: 0 kB", "").is_empty());
    }

    #[test]
    fn this_program_goes_on_after_it() {
        let before = format!("{:?}", std::env::args().collect::<Vec<_>>());
        assert!(give_back().unwrap() > 0);
        assert_eq!(format!("{:?}", std::env::args().collect::<Vec<_>>()), before);
    }
}
