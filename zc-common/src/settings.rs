//! The globals that the user half sets before load.
//!
//! Rust emits no CO-RE relocations for the BPF target, so the offsets of the
//! kernel's own fields are read from the running kernel's BTF and set as
//! read-only globals: to the verifier they are constants.

/// The value of an offset whose field this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// One field of a kernel structure that the programs read.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The global that holds its offset in bytes.
    pub global: &'static str,
    /// The structure.
    pub structure: &'static str,
    /// The member, oldest name last (`task_struct.state` before 5.14).
    pub members: &'static [&'static str],
}

/// One row a field: `GLOBAL: "structure", "member" | "older name";`. Calls back
/// `$with!` once with every row, so that both halves derive from one list.
#[macro_export]
macro_rules! kernel_fields {
    ($with:ident) => {
        $with! {
            TASK_PID: "task_struct", "pid";
            TASK_TGID: "task_struct", "tgid";
            TASK_FLAGS: "task_struct", "flags";
            TASK_STATE: "task_struct", "__state" | "state";
            TASK_GROUP_LEADER: "task_struct", "group_leader";
            TASK_REAL_PARENT: "task_struct", "real_parent";
            TASK_CGROUPS: "task_struct", "cgroups";
            TASK_START_BOOTTIME: "task_struct", "start_boottime" | "real_start_time";
            TASK_COMM: "task_struct", "comm";
            TASK_FILES: "task_struct", "files";
            TASK_IO_URING: "task_struct", "io_uring";
            TASK_NVCSW: "task_struct", "nvcsw";
            TASK_NIVCSW: "task_struct", "nivcsw";
            TASK_MIN_FLT: "task_struct", "min_flt";
            TASK_MAJ_FLT: "task_struct", "maj_flt";
            TASK_THREAD_INFO: "task_struct", "thread_info";
            TASK_STACK: "task_struct", "stack";
            THREAD_INFO_STATUS: "thread_info", "status";
            TASK_CREDENTIALS: "task_struct", "real_cred";
            TASK_MM: "task_struct", "mm";
            CREDENTIALS_UID: "cred", "euid";
            MM_EXE_FILE: "mm_struct", "exe_file";
            MM_ARG_START: "mm_struct", "arg_start";
            MM_ARG_END: "mm_struct", "arg_end";
            FILE_PATH: "file", "f_path";
            PATH_DENTRY: "path", "dentry";
            DENTRY_NAME: "dentry", "d_name";
            QSTR_NAME: "qstr", "name";
            CSS_SET_CGROUP: "css_set", "dfl_cgrp";
            CSS_SET_SUBSYSTEMS: "css_set", "subsys";
            CSS_CGROUP: "cgroup_subsys_state", "cgroup";
            CGROUP_ROOT: "cgroup", "root";
            CGROUP_ROOT_HIERARCHY: "cgroup_root", "hierarchy_id";
            CGROUP_NODE: "cgroup", "kn";
            CGROUP_NODE_ID: "kernfs_node", "id";
            FILES_FDT: "files_struct", "fdt";
            FDTABLE_FD: "fdtable", "fd";
            FDTABLE_MAX_FDS: "fdtable", "max_fds";
            FILE_MODE: "file", "f_mode";
            FILE_FLAGS: "file", "f_flags";
            FILE_INODE: "file", "f_inode";
            FILE_PRIVATE_DATA: "file", "private_data";
            INODE_MODE: "inode", "i_mode";
            INODE_FLAGS: "inode", "i_flags";
            INODE_RDEV: "inode", "i_rdev";
            INODE_SB: "inode", "i_sb";
            SUPER_BLOCK_MAGIC: "super_block", "s_magic";
            SOCKET_TYPE: "socket", "type";
            SOCKET_SK: "socket", "sk";
            SOCK_FAMILY: "sock_common", "skc_family";
            FILENAME_INAME: "filename", "iname";
            KIOCB_FILE: "kiocb", "ki_filp";
            KIOCB_COMPLETE: "kiocb", "ki_complete";
            ITER_TYPE: "iov_iter", "iter_type" | "type";
            ITER_SOURCE: "iov_iter", "data_source" | "type";
            ITER_COUNT: "iov_iter", "count";
            MSGHDR_ITER: "msghdr", "msg_iter";
            MSGHDR_FLAGS: "msghdr", "msg_flags";
            SK_BUFF_SK: "sk_buff", "sk";
            SK_BUFF_LEN: "sk_buff", "len";
            SK_BUFF_DATA_LEN: "sk_buff", "data_len";
            SK_BUFF_HEAD: "sk_buff", "head";
            SK_BUFF_END: "sk_buff", "end";
            XDP_BUFF_DATA: "xdp_buff", "data";
            XDP_BUFF_END: "xdp_buff", "data_end";
            SHARED_INFO_FRAGS: "skb_shared_info", "nr_frags";
            SHARED_INFO_UARG: "skb_shared_info", "destructor_arg";
            SHARED_INFO_FRAG_LIST: "skb_shared_info", "frag_list";
            SHARED_INFO_FRAG: "skb_shared_info", "frags";
            FRAG_LENGTH: "skb_frag", "len";
            FRAG_VECTOR_LENGTH: "bio_vec", "bv_len";
            FUSE_COPY_WRITE: "fuse_copy_state", "write";
            FUSE_COPY_PIPE: "fuse_copy_state", "pipebufs";
            IO_KIOCB_OPCODE: "io_kiocb", "opcode";
            IO_KIOCB_FILE: "io_kiocb", "file";
            IO_KIOCB_WORK: "io_kiocb", "work";
            IO_URING_CQE_RES: "io_uring_cqe", "res";
            VMA_OPS: "vm_area_struct", "vm_ops";
        }
    };
}

macro_rules! list {
    ($($global:ident: $structure:literal, $($member:literal)|+;)+) => {
        /// Every field, in order of the list.
        pub const FIELDS: &[Field] = &[$(Field {
            global: stringify!($global),
            structure: $structure,
            members: &[$($member),+],
        },)+];
    };
}

kernel_fields!(list);

/// One enumerator of the kernel's that the programs compare with.
#[derive(Clone, Copy, Debug)]
pub struct Enumerator {
    /// The global that holds its value.
    pub global: &'static str,
    /// The enumeration.
    pub enumeration: &'static str,
    /// The enumerator.
    pub name: &'static str,
}

/// One row an enumerator: `GLOBAL: "enumeration", "NAME";`. Calls back `$with!` once
/// with every row.
#[macro_export]
macro_rules! kernel_enumerators {
    ($with:ident) => {
        $with! {
            ITER_UBUF: "iter_type", "ITER_UBUF";
            ITER_IOVEC: "iter_type", "ITER_IOVEC";
            ITER_BVEC: "iter_type", "ITER_BVEC";
            ITER_PIPE: "iter_type", "ITER_PIPE";
            ITER_DISCARD: "iter_type", "ITER_DISCARD";
            VM_FAULT_OOM: "vm_fault_reason", "VM_FAULT_OOM";
            VM_FAULT_SIGBUS: "vm_fault_reason", "VM_FAULT_SIGBUS";
            VM_FAULT_MAJOR: "vm_fault_reason", "VM_FAULT_MAJOR";
            VM_FAULT_HWPOISON: "vm_fault_reason", "VM_FAULT_HWPOISON";
            VM_FAULT_HWPOISON_LARGE: "vm_fault_reason", "VM_FAULT_HWPOISON_LARGE";
            VM_FAULT_SIGSEGV: "vm_fault_reason", "VM_FAULT_SIGSEGV";
            VM_FAULT_RETRY: "vm_fault_reason", "VM_FAULT_RETRY";
            VM_FAULT_FALLBACK: "vm_fault_reason", "VM_FAULT_FALLBACK";
            VM_FAULT_COMPLETED: "vm_fault_reason", "VM_FAULT_COMPLETED";
            FAULT_FLAG_TRIED: "fault_flag", "FAULT_FLAG_TRIED";
        }
    };
}

macro_rules! list_enumerators {
    ($($global:ident: $enumeration:literal, $name:literal;)+) => {
        /// Every enumerator, in order of the list.
        pub const ENUMERATORS: &[Enumerator] = &[$(Enumerator {
            global: stringify!($global),
            enumeration: $enumeration,
            name: $name,
        },)+];
    };
}

kernel_enumerators!(list_enumerators);

/// A function of the kernel's whose number of arguments differs between versions:
/// what it returned stands after them.
#[derive(Clone, Copy, Debug)]
pub struct Arity {
    /// The global that holds how many arguments it takes.
    pub global: &'static str,
    /// The function.
    pub function: &'static str,
}

/// One row a function: `GLOBAL: "function";`. Calls back `$with!` once with every row.
#[macro_export]
macro_rules! kernel_arities {
    ($with:ident) => {
        $with! {
            ARITY_IOMAP_WRITE: "iomap_file_buffered_write";
            ARITY_ZEROCOPY_STREAM: "skb_zerocopy_iter_stream";
            ARITY_SPLICE_FROM_ITER: "skb_splice_from_iter";
            ARITY_UDP_RECVMSG: "udp_recvmsg";
            ARITY_UDPV6_RECVMSG: "udpv6_recvmsg";
        }
    };
}

macro_rules! list_arities {
    ($($global:ident: $function:literal;)+) => {
        /// Every such function, in order of the list.
        pub const ARITIES: &[Arity] = &[$(Arity {
            global: stringify!($global),
            function: $function,
        },)+];
    };
}

kernel_arities!(list_arities);

/// `u32` global: 1 if `sendfile(2)` links pages into a pipe (`splice_file_to_pipe`, kernel
/// 5.12); before, it writes them there.
pub const SENDFILE_LINKS: &str = "SENDFILE_LINKS";
/// `u32` global: 1 if `bpf_task_pt_regs` may be used (kernel 5.15).
pub const TASK_PT_REGS: &str = "TASK_PT_REGS";
/// `u32` global: 1 if `bpf_get_current_task_btf` may be used (kernel 5.11).
pub const CURRENT_TASK_BTF: &str = "CURRENT_TASK_BTF";
/// `u32` global: 1 if `bpf_probe_read_kernel` may be used (no confidentiality
/// lockdown), else every descriptor's endpoint is unknown.
pub const READ_KERNEL: &str = "READ_KERNEL";
/// `u32` global: 1 if what is seen in a system call is settled as it returns whichever it is,
/// since `sys_exit` is hooked; else only in those of [`calls`](crate::calls).
pub const SETTLE_EACH: &str = "SETTLE_EACH";
/// `u32` global: 1 if bytes copied are kept by stack, too ([`CallSite`](crate::site::CallSite)).
pub const KEEP_SITES: &str = "KEEP_SITES";
/// `u32` global: of how many units, less one, a call site is charged with one on average: a power
/// of two less one, 0 if each copy is kept ([`sample`](crate::site::sample)).
pub const SAMPLE_MASK: &str = "SAMPLE_MASK";
/// `u32` global: 1 if the units are copies, or events, 0 if they are bytes.
pub const SAMPLE_COPIES: &str = "SAMPLE_COPIES";
/// `u32` global: 1 if the arguments of processes are kept
/// ([`Arguments`](crate::slot::Arguments)).
pub const KEEP_ARGV: &str = "KEEP_ARGV";
/// `u32` global: 1 if the paths of cgroups are noted as they are made.
pub const KEEP_CGROUPS: &str = "KEEP_CGROUPS";
/// `u32` global: the number of the hierarchy that cgroups are looked up in, 0 for version 2.
pub const HIERARCHY: &str = "HIERARCHY";
/// `u32` global: which of a hierarchy of version 1's controllers tells the cgroup: its place in
/// `css_set.subsys`, [`ABSENT`] for version 2.
pub const CONTROLLER: &str = "CONTROLLER";
/// `u32` global: how many slots there are, reserved ones included.
pub const SLOT_COUNT: &str = "SLOT_COUNT";
