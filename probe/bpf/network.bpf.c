/* Sockets that connect. */
#include "filter_connect.h"
#include "syscall.h"

/* Appends the address a Unix socket was asked to reach; a leading NUL is an abstract name. */
static __always_inline void put_unix_typed(struct scratch *s, u64 address, u64 length)
{
	u8 *at = field_at(s, 128);
	if (!at || length <= 2)
		return;
	length -= 2;
	CLAMP(length, 108);
	if (bpf_probe_read_user(at + sizeof(struct saker_field), length, (void *)(address + 2))) {
		header_of(s)->flags |= SAKER_FAULT;
		return;
	}
	field_end(s, at, SAKER_FIELD_UNIX, length);
}

/* Fills the address asked for from user memory: what is left when the kernel keeps none. */
static __always_inline void fill_remote_typed(struct saker_connect *e, u64 address)
{
	u16 port = 0;
	bpf_probe_read_user(&port, sizeof(port), (void *)(address + 2));
	e->remote_port = bpf_ntohs(port);
	if (e->family == AF_INET)
		bpf_probe_read_user(e->remote, 4, (void *)(address + 4));
	else
		bpf_probe_read_user(e->remote, 16, (void *)(address + 8));
}

static __always_inline void fill_connect(struct scratch *s, s32 descriptor, u64 address, u64 length)
{
	struct saker_connect *e = body_of(s);
	struct file *file = file_of(descriptor);
	struct sock *sock = NULL;
	long result = header_of(s)->result;
	__builtin_memset(e, 0, sizeof(*e));
	e->descriptor = descriptor;
	if (file && (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFSOCK) {
		struct socket *socket = BPF_CORE_READ(file, private_data);
		sock = BPF_CORE_READ(socket, sk);
		e->family = BPF_CORE_READ(sock, __sk_common.skc_family);
		e->type = BPF_CORE_READ(socket, type);
		e->protocol = BPF_CORE_READ(sock, sk_protocol);
	} else {
		/* Closed again, or a registered file of io_uring. */
		header_of(s)->flags |= SAKER_NO_FILE;
		bpf_probe_read_user(&e->family, sizeof(e->family), (void *)address);
	}
	if (e->family == AF_UNIX)
		put_unix_typed(s, address, length);
	if (e->family != AF_INET && e->family != AF_INET6)
		return;
	if (sock) {
		e->local_port = BPF_CORE_READ(sock, __sk_common.skc_num);
		e->remote_port = bpf_ntohs(BPF_CORE_READ(sock, __sk_common.skc_dport));
		if (e->family == AF_INET) {
			BPF_CORE_READ_INTO((u32 *)e->local, sock, __sk_common.skc_rcv_saddr);
			BPF_CORE_READ_INTO((u32 *)e->remote, sock, __sk_common.skc_daddr);
		} else {
			BPF_CORE_READ_INTO((struct in6_addr *)e->local, sock, __sk_common.skc_v6_rcv_saddr);
			BPF_CORE_READ_INTO((struct in6_addr *)e->remote, sock, __sk_common.skc_v6_daddr);
		}
	}
	if (e->remote_port == 0 || header_of(s)->flags & SAKER_IO_URING ||
	    (result != 0 && result != -EINPROGRESS))
		fill_remote_typed(e, address);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_connect, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct scratch *s = begin_call(SAKER_CONNECT, result, call.compat, sizeof(struct saker_connect));
	if (!s)
		return 0;
	fill_connect(s, argument(regs, &call, 0), argument(regs, &call, 1), argument(regs, &call, 2));
	end_connect(s);
	return 0;
}
