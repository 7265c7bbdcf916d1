//! The walls around the child: it may read its model and talk to its parent, and nothing else.
//!
//! Each wall is best effort, since kernels differ; which ones stand goes to the parent's log. They are put up while
//! the child has one thread, so that the threads that compute inherit them.

use std::collections::BTreeMap;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
    path_beneath_rules,
};
use rustix::process::{Resource, Rlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// What the child may still allocate once its model is loaded: room for a prompt, none for a template that doubles
/// its text without end.
const MEMORY_AHEAD: u64 = 512 * 1024 * 1024;

/// Puts the walls up before the model's file is opened, and names those that stand.
pub fn put_up(model: &Path) -> Vec<String> {
    let mut standing = Vec::new();
    let mut note = |name: &str, outcome: Result<(), String>| match outcome {
        Ok(()) => standing.push(name.to_owned()),
        Err(reason) => eprintln!("no {name} here: {reason}"),
    };
    // A core file would hold prompts.
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    note("no core files", rustix::process::setrlimit(Resource::Core, none).map_err(|error| error.to_string()));
    note("no new privileges", rustix::thread::set_no_new_privs(true).map_err(|error| error.to_string()));
    note("landlock", landlock(model));
    note("seccomp", seccomp());
    standing
}

fn landlock(model: &Path) -> Result<(), String> {
    let abi = ABI::V6;
    let build = || -> Result<RulesetStatus, landlock::RulesetError> {
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules([model, Path::new("/proc/self")], AccessFs::from_read(abi)))?
            .restrict_self()?;
        Ok(status.ruleset)
    };
    match build().map_err(|error| error.to_string())? {
        RulesetStatus::NotEnforced => Err("the kernel does not have it".into()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

/// Calls by which a process reaches out, starts others, or touches them.
const DENIED: [i64; 31] = [
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_kill,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_io_uring_setup,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_open_by_handle_at,
];

fn seccomp() -> Result<(), String> {
    let rules: BTreeMap<i64, Vec<seccompiler::SeccompRule>> = DENIED.iter().map(|&call| (call, Vec::new())).collect();
    let architecture = std::env::consts::ARCH.try_into().map_err(|_| "the processor is not known".to_owned())?;
    let refusal = SeccompAction::Errno(u32::try_from(libc::EPERM).unwrap_or(1));
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, architecture);
    let program: BpfProgram = filter.and_then(TryInto::try_into).map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

/// Bounds the child's memory to what it has now and some room; called once the model is loaded.
pub fn bound_memory() -> Result<(), String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).ok_or("no figure")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().map_err(|_| "no figure".to_owned())?;
    let bytes = Some(kilobytes * 1024 + MEMORY_AHEAD);
    let limit = Rlimit { current: bytes, maximum: bytes };
    rustix::process::setrlimit(Resource::Data, limit).map_err(|error| error.to_string())
}
