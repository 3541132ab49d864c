//! The folders of worlds and repositories, read as the catalogue takes them.

use crate::contract::{At, File, FilePath, Snapshot, Source, SourceFailure, Whole, follow};
use crate::engine::{ConfigFiles, FolderRead};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The two folders of a configuration.
#[derive(Clone)]
pub struct ConfigFolders {
    /// `worlds/`
    pub worlds: Arc<dyn Source>,
    /// `repositories/`
    pub repositories: Arc<dyn Source>,
}

impl ConfigFolders {
    /// Reads both. It cannot fail as a whole: what is not known is told as that.
    pub async fn read(&self) -> ConfigFiles {
        ConfigFiles { worlds: read(&*self.worlds).await, repositories: read(&*self.repositories).await }
    }
}

async fn read(source: &dyn Source) -> FolderRead {
    let snapshot = match source.read(&At::Now).await {
        Ok(Snapshot { whole: Whole::Torn(why), .. }) => return FolderRead::Trouble(why),
        Ok(snapshot) => snapshot,
        Err(SourceFailure::Missing(_)) => return FolderRead::Nothing,
        Err(failure) => return FolderRead::Trouble(failure.to_string()),
    };
    let mut files: BTreeMap<FilePath, Arc<[u8]>> = BTreeMap::new();
    for (path, listed) in &snapshot.files {
        // Links between files are how a folder is swapped as a whole (`..data`); one to a folder is no file.
        let file = match listed {
            File::Regular { .. } => path.clone(),
            File::Link(_) => match follow(&snapshot.files, path) {
                Ok(file) => file,
                Err(crate::contract::Stray::Folder(_)) => continue,
                Err(stray) => return FolderRead::Trouble(format!("{path} is a link: {stray}")),
            },
        };
        match source.bytes(&file, &snapshot.files[&file]).await {
            Ok(bytes) => drop(files.insert(path.clone(), Arc::from(bytes))),
            Err(failure) => return FolderRead::Trouble(format!("{path}: {failure}")),
        }
    }
    FolderRead::of(&snapshot.whole, files)
}
