//! THE table of copying functions: the hooks that see copies as they are made.
//!
//! Nothing in the kernel's `lib/` can be hooked (its Makefile leaves the trace calls
//! out), so the functions are those that call `_copy_to_iter` and its like. None of
//! them calls another one on the same bytes. Why each is where it is: `docs/hooks.md`.

use zc_common::flow::Route::{
    self, AfXdp, Aio, Bounce, CopyFileRange, DirectIo, Fault, IoUring, MsgZerocopy, Other,
    ProcessVm, Read, Recv, Send, Sendfile, Splice, Vmsplice, Write,
};

use super::hooks::{ANY, Hook, Need, Place, Probe};

/// A program of the same name as the function it hooks the return of.
pub(super) const fn returns(
    function: &'static str,
    arguments: &'static [(usize, &'static str)],
) -> Hook {
    let at_least = match arguments {
        [.., (last, _)] => *last + 1,
        [] => 0,
    };
    Hook {
        program: function,
        place: Place::Return(function),
        arguments,
        at_least,
        at_most: ANY,
        needs: None,
        with: &[],
        by_kprobe: true,
    }
}

/// `(struct kiocb *, struct iov_iter *, ...)`.
const FILE: &[(usize, &str)] = &[(0, "kiocb"), (1, "iov_iter")];

/// `(struct xdp_sock *, struct xdp_buff *, ...)`.
const XDP: &[(usize, &str)] = &[(0, "xdp_sock"), (1, "xdp_buff")];

/// The routes on which files are read into user memory or into a pipe.
const READS: &[Route] = &[Read, DirectIo, IoUring, Aio, Sendfile, Splice, CopyFileRange, Other];
/// The routes on which files are written from user memory or from a pipe.
const WRITES: &[Route] = &[Write, DirectIo, IoUring, Aio, Sendfile, Splice, CopyFileRange, Other];
const RECEIVES: &[Route] = &[Read, Recv, IoUring, Splice, Other];
const SENDS: &[Route] = &[Write, Send, MsgZerocopy, IoUring, Sendfile, Splice, Other];
const STORES: &[Route] = &[Write, Send, MsgZerocopy, IoUring, Sendfile, Splice, AfXdp, Other];

const CONSTANT: &str = "copies of fixed size (structures, single numbers): they are part of no \
                        payload";

const MODULE: &str = "FUSE that is a module, as functions of modules cannot be hooked: its copies \
                      are inferred";

/// A probe of copying functions.
const fn copying(
    name: &'static str,
    measures: &'static str,
    routes: &'static [Route],
    hooks: &'static [Hook],
) -> Probe {
    Probe {
        name,
        measures,
        blind_to: CONSTANT,
        essential: false,
        routes,
        may_be_missing: false,
        less: &[],
        hooks,
    }
}

/// The same, of functions that not every kernel has, as not every kernel needs them.
const fn newer(
    name: &'static str,
    measures: &'static str,
    routes: &'static [Route],
    hooks: &'static [Hook],
) -> Probe {
    Probe { may_be_missing: true, ..copying(name, measures, routes, hooks) }
}

/// A program on the entry of a function.
const fn enters(program: &'static str, function: &'static str) -> Hook {
    Hook {
        program,
        place: Place::Entry(function),
        arguments: &[],
        at_least: 0,
        at_most: ANY,
        needs: None,
        with: &[],
        by_kprobe: true,
    }
}

/// A program on the return of a function that needs another one on its entry.
const fn with_entry(
    function: &'static str,
    arguments: &'static [(usize, &'static str)],
    entry: &'static Hook,
) -> Hook {
    Hook { at_least: 3, with: std::slice::from_ref(entry), ..returns(function, arguments) }
}

static ENTRY_OF_DAX: Hook = enters("dax_iomap_rw_entry", "dax_iomap_rw");
static ENTRY_OF_TCP: Hook = enters("tcp_sendmsg_locked_entry", "tcp_sendmsg_locked");
static ENTRY_OF_SENDPAGES: Hook = enters("do_tcp_sendpages_entry", "do_tcp_sendpages");
static ENTRY_OF_UDP: Hook = enters("udp_recvmsg_entry", "udp_recvmsg");
static ENTRY_OF_UDPV6: Hook = enters("udpv6_recvmsg_entry", "udpv6_recvmsg");

/// A program on the entry of a function of `(struct sk_buff *, offset, address, length)`.
const fn buffers(function: &'static str) -> Hook {
    Hook { at_least: 4, arguments: &[(0, "sk_buff")], ..enters(function, function) }
}

static ENTRY_OF_NAMES: Hook = enters("do_getname_entry", "do_getname");

/// Every probe that sees copies.
pub(super) static COPYING: &[Probe] = &[
    copying(
        "copy_file_read",
        "bytes copied from the page cache",
        READS,
        &[returns("filemap_read", FILE), returns("generic_file_buffered_read", FILE)],
    ),
    copying(
        "copy_memory_file_read",
        "bytes copied from memory files (tmpfs, memfd, shared memory)",
        READS,
        &[returns("shmem_file_read_iter", FILE)],
    ),
    newer(
        "copy_huge_file_read",
        "bytes copied from hugetlbfs",
        READS,
        &[returns("hugetlbfs_read_iter", FILE)],
    ),
    newer(
        "dax_read",
        "bytes that reads of files in persistent memory copy: all but their holes",
        READS,
        &[Hook { at_least: 5, ..returns("dax_copy_to_iter", &[(4, "iov_iter")]) }],
    ),
    Probe {
        less: &["dax_read"],
        ..newer(
            "copy_dax",
            "bytes copied from and to files in persistent memory (DAX)",
            &[Read, Write, DirectIo, IoUring, Aio, Sendfile, Splice, CopyFileRange, Other],
            &[with_entry("dax_iomap_rw", FILE, &ENTRY_OF_DAX)],
        )
    },
    copying(
        "copy_made_up_read",
        "bytes copied from files that the kernel makes up line by line (procfs, sysfs)",
        READS,
        &[returns("seq_read_iter", FILE)],
    ),
    newer(
        "copy_random",
        "random bytes copied to user memory",
        &[Read, IoUring],
        &[returns("get_random_bytes_user", &[(0, "iov_iter")])],
    ),
    copying(
        "copy_file_write",
        "bytes copied into the page cache, by most file systems",
        WRITES,
        &[
            returns("generic_perform_write", FILE),
            Hook {
                program: "generic_perform_write_file",
                place: Place::Return("generic_perform_write"),
                arguments: &[(0, "file"), (1, "iov_iter")],
                at_least: 3,
                at_most: ANY,
                needs: None,
                with: &[],
                by_kprobe: true,
            },
        ],
    ),
    newer(
        "copy_iomap_write",
        "bytes copied into the page cache by file systems on iomap (xfs, gfs2)",
        WRITES,
        &[Hook { at_least: 3, at_most: 5, ..returns("iomap_file_buffered_write", FILE) }],
    ),
    Probe {
        blind_to: MODULE,
        ..newer(
            "copy_fuse_write",
            "bytes copied into the page cache of files that a FUSE server serves",
            WRITES,
            &[returns("fuse_perform_write", FILE)],
        )
    },
    Probe {
        blind_to: MODULE,
        ..newer(
            "copy_fuse",
            "bytes of requests and replies copied to and from FUSE servers",
            &[Read, Write, Splice, IoUring, Other],
            &[Hook { at_least: 3, ..returns("fuse_copy_do", &[(0, "fuse_copy_state")]) }],
        )
    },
    copying(
        "copy_pipe_read",
        "bytes copied out of pipes",
        &[Read, IoUring],
        &[returns("anon_pipe_read", FILE), returns("pipe_read", FILE)],
    ),
    copying(
        "copy_pipe_write",
        "bytes copied into pipes",
        &[Write, IoUring],
        &[returns("anon_pipe_write", FILE), returns("pipe_write", FILE)],
    ),
    copying(
        "copy_vmsplice",
        "bytes copied out of pipes by vmsplice",
        &[Vmsplice],
        &[returns(
            "pipe_to_user",
            &[(0, "pipe_inode_info"), (1, "pipe_buffer"), (2, "splice_desc")],
        )],
    ),
    copying(
        "copy_receive",
        "bytes copied out of sockets",
        RECEIVES,
        &[Hook { at_least: 4, ..returns("simple_copy_to_iter", &[(3, "iov_iter")]) }],
    ),
    newer(
        "copy_receive_sum",
        "bytes copied out of sockets while their sum is checked",
        RECEIVES,
        &[Hook { at_least: 4, ..returns("csum_and_copy_to_iter", &[(3, "iov_iter")]) }],
    ),
    Probe {
        less: &["copy_receive", "copy_receive_sum"],
        ..copying(
            "copy_udp_receive",
            "bytes copied out of UDP sockets, of datagrams in one piece",
            RECEIVES,
            &[Hook {
                at_least: 4,
                at_most: 6,
                ..with_entry("udp_recvmsg", &[(1, "msghdr")], &ENTRY_OF_UDP)
            }],
        )
    },
    Probe {
        less: &["copy_receive", "copy_receive_sum"],
        ..newer(
            "copy_udp6_receive",
            "bytes copied out of UDP sockets over IPv6, of datagrams in one piece",
            RECEIVES,
            &[Hook {
                at_least: 4,
                at_most: 6,
                ..with_entry("udpv6_recvmsg", &[(1, "msghdr")], &ENTRY_OF_UDPV6)
            }],
        )
    },
    newer(
        "copy_zerocopy_receive",
        "bytes of zero-copy receives of an io_uring that were copied after all",
        &[IoUring],
        &[Hook {
            at_least: 5,
            at_most: 5,
            ..returns("io_zcrx_copy_chunk", &[(0, "io_kiocb"), (2, "page")])
        }],
    ),
    copying(
        "tcp_zerocopy",
        "bytes that TCP sends by reference for MSG_ZEROCOPY",
        &[MsgZerocopy, IoUring],
        &[Hook {
            at_least: 5,
            at_most: 6,
            ..returns("skb_zerocopy_iter_stream", &[(0, "sock"), (1, "sk_buff"), (2, "msghdr")])
        }],
    ),
    newer(
        "socket_splice",
        "bytes that sockets take by reference from a splice or sendfile",
        SENDS,
        &[Hook {
            at_least: 3,
            at_most: 4,
            ..returns("skb_splice_from_iter", &[(0, "sk_buff"), (1, "iov_iter")])
        }],
    ),
    Probe {
        less: &["tcp_zerocopy", "socket_splice"],
        ..copying(
            "copy_tcp_send",
            "bytes copied into TCP sockets: what was sent less what went by reference",
            SENDS,
            &[with_entry("tcp_sendmsg_locked", &[(1, "msghdr")], &ENTRY_OF_TCP)],
        )
    },
    newer(
        "socket_sendpage",
        "bytes that TCP takes by reference from a splice or sendfile (before 6.5)",
        SENDS,
        &[Hook {
            at_least: 5,
            ..with_entry("do_tcp_sendpages", &[(0, "sock")], &ENTRY_OF_SENDPAGES)
        }],
    ),
    copying(
        "reflink",
        "bytes of files that share their blocks instead of copying them",
        &[CopyFileRange, Other],
        &[Hook { at_least: 6, ..returns("generic_remap_file_range_prep", &[]) }],
    ),
    copying(
        "copy_tls_send",
        "bytes copied into records of kernel TLS, and into sockets of a sockmap",
        &[Write, Send, Sendfile, Splice, IoUring],
        &[Hook { at_least: 4, ..returns("sk_msg_memcopy_from_iter", &[(1, "iov_iter")]) }],
    ),
    copying(
        "copy_udp_send",
        "bytes copied into UDP and raw sockets",
        SENDS,
        &[Hook { at_least: 6, ..returns("ip_generic_getfrag", &[]) }],
    ),
    copying(
        "copy_unix_send",
        "bytes copied into unix, packet and tun sockets",
        SENDS,
        &[Hook {
            at_least: 4,
            ..returns("skb_copy_datagram_from_iter", &[(0, "sk_buff"), (2, "iov_iter")])
        }],
    ),
    copying(
        "copy_netlink_send",
        "bytes copied into netlink sockets",
        SENDS,
        &[returns("netlink_sendmsg", &[(0, "socket"), (1, "msghdr")])],
    ),
    copying(
        "copy_unkept_promise",
        "bytes of zero-copy sends that were copied in the kernel after all, on their sender's \
         account",
        &[MsgZerocopy, IoUring],
        &[Hook { arguments: &[(0, "sk_buff")], ..enters("skb_copy_ubufs", "skb_copy_ubufs") }],
    ),
    copying(
        "socket_owner",
        "who opened a socket: whose the copies are that the kernel makes of what it sends",
        SENDS,
        &[returns("sock_alloc_file", &[(0, "socket")])],
    ),
    copying(
        "copy_gathered",
        "bytes of socket buffers copied within the kernel, on the account of the socket's owner: \
         gathered for a device without scatter-gather, cut into segments, moved together",
        SENDS,
        &[buffers("skb_copy_bits")],
    ),
    copying(
        "copy_gathered_sum",
        "the same, while their sum is taken",
        SENDS,
        &[buffers("skb_copy_and_csum_bits")],
    ),
    copying(
        "copy_stored",
        "bytes stored into socket buffers, by AF_XDP and programs of traffic control",
        STORES,
        &[buffers("skb_store_bits")],
    ),
    copying(
        "copy_on_write",
        "bytes of pages copied as they were written while shared",
        &[Fault],
        // Since 6.12, as this function, do_cow_fault copies by it too.
        &[Hook {
            at_least: 3,
            needs: Some(Need::Function("folio_mc_copy")),
            ..returns("copy_mc_to_kernel", &[])
        }],
    ),
    copying(
        "copy_process_vm_read",
        "bytes copied out of another process' memory",
        &[ProcessVm],
        &[
            Hook { at_least: 7, by_kprobe: false, ..returns("process_vm_rw", &[]) },
            Hook {
                program: "process_vm_readv",
                place: Place::Return("__x64_sys_process_vm_readv"),
                arguments: &[],
                at_least: 1,
                at_most: ANY,
                needs: None,
                with: &[],
                by_kprobe: true,
            },
        ],
    ),
    copying(
        "copy_process_vm_write",
        "bytes copied into another process' memory",
        &[ProcessVm],
        &[
            Hook { at_least: 7, by_kprobe: false, ..returns("process_vm_rw", &[]) },
            Hook {
                program: "process_vm_writev",
                place: Place::Return("__x64_sys_process_vm_writev"),
                arguments: &[],
                at_least: 1,
                at_most: ANY,
                needs: None,
                with: &[],
                by_kprobe: true,
            },
        ],
    ),
    newer(
        "ring_worker",
        "which request a worker of an io_uring does, as another thread may complete it",
        &[IoUring],
        &[Hook {
            at_least: 1,
            arguments: &[(0, "io_wq_work")],
            ..enters("ring_worker", "io_wq_submit_work")
        }],
    ),
    newer(
        "copy_af_xdp",
        "bytes copied into the rings of AF_XDP sockets, on the account of their owner",
        &[AfXdp],
        &[
            Hook {
                program: "xsk_rcv_sized",
                by_kprobe: false,
                at_least: 3,
                at_most: 3,
                ..returns("__xsk_rcv", XDP)
            },
            Hook { program: "xsk_rcv", at_most: 2, by_kprobe: false, ..returns("__xsk_rcv", XDP) },
            Hook { at_most: 2, by_kprobe: false, ..returns("xsk_generic_rcv", XDP) },
        ],
    ),
    newer(
        "copy_bounce",
        "bytes copied into and out of bounce buffers, whoever uses them",
        &[Bounce],
        &[Hook { at_least: 4, ..enters("swiotlb_bounce", "swiotlb_bounce") }],
    ),
    newer(
        "path_names",
        "when the kernel reads a path, which is not a copy of the size it checks (since 7.1; \
         before, the size itself tells)",
        &[Other],
        &[with_entry("do_getname", &[], &ENTRY_OF_NAMES)],
    ),
    Probe {
        less: &["path_names"],
        ..copying(
            "copy_checked",
            "bytes of copies whose size the kernel checks beforehand, in calls of which no other \
             probe saw any: the rest of copy_to_user and copy_from_user",
            &[Other],
            &[Hook { at_least: 3, ..enters("check_object_size", "__check_object_size") }],
        )
    },
];
