//! What can go wrong with the store.

use std::path::PathBuf;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("{} is in use by another process", .0.display())]
    Busy(PathBuf),
    /// redb could not read or write a segment.
    #[error("{}: {error}", .path.display())]
    Database {
        /// The segment.
        path: PathBuf,
        /// What redb said.
        error: Box<redb::Error>,
    },
    /// The operating system refused.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
    /// A row is not what this version writes.
    #[error("{}: a row cannot be read", .0.display())]
    Row(PathBuf),
    /// It was opened to be read.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// A newer version of the program wrote it.
    #[error("{}: written in schema {schema}, this version reads up to {known}", .path.display())]
    TooNew {
        /// The segment.
        path: PathBuf,
        /// Its schema.
        schema: u64,
        /// The newest one known here.
        known: u64,
    },
}

impl StoreError {
    /// Whether the bytes of the segment itself are at fault, not the disk or the caller.
    pub fn is_corruption(&self) -> bool {
        match self {
            Self::Database { error, .. } => {
                matches!(
                    **error,
                    redb::Error::Corrupted(_)
                        | redb::Error::UpgradeRequired(_)
                        | redb::Error::RepairAborted
                        | redb::Error::TableTypeMismatch { .. }
                        | redb::Error::TypeDefinitionChanged { .. }
                ) || is_foreign(error)
            }
            Self::Row(_) => true,
            Self::Busy(_) | Self::Io { .. } | Self::ReadOnly | Self::TooNew { .. } => false,
        }
    }
}

/// A file that is no redb file at all, or is cut off, is an I/O error to redb.
fn is_foreign(error: &redb::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    matches!(error, redb::Error::Io(io) if matches!(io.kind(), InvalidData | UnexpectedEof))
}
