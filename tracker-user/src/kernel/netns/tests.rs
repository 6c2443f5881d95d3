use std::fs;

use super::*;

/// Files stand for namespaces: the same inode is the same namespace.
fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let folder = tempfile::tempdir().unwrap();
    let root = Root::at(folder.path());
    for (path, same_as) in files {
        let path = root.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if same_as.is_empty() {
            fs::write(path, "").unwrap();
        } else {
            fs::hard_link(root.path(same_as), path).unwrap();
        }
    }
    (folder, root)
}

fn usual() -> (tempfile::TempDir, Root) {
    machine(&[
        ("proc/1/ns/net", ""),
        ("proc/thread-self/ns/net", "proc/1/ns/net"),
        ("run/netns/blue", ""),
        ("run/docker/netns/0a1b", ""),
        ("proc/77/ns/net", "run/netns/blue"),
        ("proc/78/ns/net", ""),
        ("proc/79/ns/net", "proc/78/ns/net"),
        ("proc/stat", ""),
        ("proc/net/ns/net", ""),
    ])
}

#[test]
fn each_namespace_is_listed_once_by_its_best_name() {
    let (_folder, root) = usual();
    let known = list(&root);
    let docker = root.path("run/docker/netns/0a1b").display().to_string();
    let process = known.last().unwrap();
    let names: Vec<_> = known.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, [HOST, "blue", &docker, &unnamed(process.inum)]);
    assert_eq!(process.path, root.path("proc/78/ns/net"));
}

#[test]
fn the_first_namespace_is_the_hosts_even_if_process_1_hides_it() {
    let files = [
        ("proc/thread-self/ns/net", ""),
        ("proc/sys/net/core/netdev_max_backlog", ""),
    ];
    let (_folder, root) = machine(&files);
    assert_eq!(Netns::current(&root).unwrap().name(), HOST);
    let (_folder, root) = machine(&files[..1]);
    let current = Netns::current(&root).unwrap();
    assert_eq!(current.name(), unnamed(current.inum()));
}

#[test]
fn namespaces_open_by_name_and_by_path() {
    let (_folder, root) = usual();
    let blue = Netns::open(&root, "blue").unwrap();
    let same = Netns::open(&root, "/proc/77/ns/net").unwrap();
    assert_eq!((blue.name(), blue.inum()), (same.name(), same.inum()));
    assert_eq!(Netns::current(&root).unwrap().name(), HOST);
    let process = unnamed(list(&root).last().unwrap().inum);
    assert_eq!(Netns::open(&root, &process).unwrap().name(), process);
}

#[test]
fn what_cannot_be_opened_is_explained() {
    let (_folder, root) = usual();
    let error = |name: &str| Netns::open(&root, name).unwrap_err().to_string();
    assert!(error("red").contains("no network namespace red. Name one of: host, blue, "));
    assert!(error("/run/netns/red").contains("run/netns/red: No such file"));
    assert!(error("/proc/77").contains("is not a network namespace"));
}

#[test]
fn a_file_of_another_file_system_is_no_namespace() {
    let error = Netns::open(&Root::machine(), "/proc/self/status").unwrap_err();
    assert!(matches!(error, NetnsError::NotNetns { .. }), "{error}");
    assert!(list(&Root::at("/nonexistent")).is_empty());
}

#[test]
fn work_runs_in_its_namespace_or_is_refused() {
    let current = Netns::current(&Root::machine()).unwrap();
    let inside = current.run(|| Netns::current(&Root::machine()).unwrap().inum());
    match inside {
        Ok(inum) => assert_eq!(inum, current.inum()),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
    }
}

#[test]
fn a_namespace_keeps_its_cookie() {
    let current = Netns::current(&Root::machine()).unwrap();
    if let Ok(inside) = current.run(cookie) {
        assert_eq!(inside, cookie());
    }
}
