/* What else io_uring is asked for: names of files, and sockets. Told as the system calls of the same
 * purpose, with their arguments in the same places. */
#include "argument.h"

/* `include/uapi/linux/io_uring.h`. */
enum {
	IORING_OP_SENDMSG = 9,
	IORING_OP_RECVMSG = 10,
	IORING_OP_ACCEPT = 13,
	IORING_OP_CLOSE = 19,
	IORING_OP_SEND = 26,
	IORING_OP_RECV = 27,
	IORING_OP_SHUTDOWN = 34,
	IORING_OP_RENAMEAT = 35,
	IORING_OP_UNLINKAT = 36,
	IORING_OP_MKDIRAT = 37,
	IORING_OP_SYMLINKAT = 38,
	IORING_OP_LINKAT = 39,
	IORING_OP_SOCKET = 45,
	IORING_OP_SEND_ZC = 47,
	IORING_OP_SENDMSG_ZC = 48,
	IORING_OP_BIND = 56,
	IORING_OP_LISTEN = 57,
};

#define REQ_F_FIXED_FILE 1
#define OF(argument) (((argument) + 1) << 8)

static __always_inline struct scratch *begin_ring(u32 kind)
{
	if (muted(kind))
		return NULL;
	struct scratch *s = begin_request(kind, sizeof(struct saker_call));
	if (s)
		__builtin_memset(body_of(s), 0, sizeof(struct saker_call));
	return s;
}

/* Appends a path the kernel has already copied. */
static __noinline void put_copied_path(struct scratch *s, u16 of, s32 directory, struct filename *filename)
{
	const char *text = BPF_CORE_READ(filename, name);
	char first = 0;
	put_kernel_text(s, SAKER_FIELD_RAW | of, text);
	bpf_probe_read_kernel(&first, 1, text);
	put_base_of(s, of, first, directory);
}

static __always_inline u32 path_kind(u8 operation)
{
	switch (operation) {
	case IORING_OP_RENAMEAT: return SAKER_RENAMEAT2;
	case IORING_OP_UNLINKAT: return SAKER_UNLINKAT;
	case IORING_OP_MKDIRAT: return SAKER_MKDIRAT;
	case IORING_OP_SYMLINKAT: return SAKER_SYMLINKAT;
	case IORING_OP_LINKAT: return SAKER_LINKAT;
	}
	return SAKER_KIND_COUNT;
}

static __always_inline void fill_rename(struct scratch *s, struct io_rename *rename)
{
	struct saker_call *e = body_of(s);
	e->arguments[0] = BPF_CORE_READ(rename, old_dfd);
	e->arguments[2] = BPF_CORE_READ(rename, new_dfd);
	e->arguments[4] = BPF_CORE_READ(rename, flags);
	put_copied_path(s, OF(1), e->arguments[0], BPF_CORE_READ(rename, oldpath));
	put_copied_path(s, OF(3), e->arguments[2], BPF_CORE_READ(rename, newpath));
}

static __always_inline void fill_link(struct scratch *s, struct io_link *link)
{
	struct saker_call *e = body_of(s);
	e->arguments[0] = BPF_CORE_READ(link, old_dfd);
	e->arguments[2] = BPF_CORE_READ(link, new_dfd);
	e->arguments[4] = BPF_CORE_READ(link, flags);
	put_copied_path(s, OF(1), e->arguments[0], BPF_CORE_READ(link, oldpath));
	put_copied_path(s, OF(3), e->arguments[2], BPF_CORE_READ(link, newpath));
}

static __always_inline void fill_symlink(struct scratch *s, struct io_link *link)
{
	struct saker_call *e = body_of(s);
	e->arguments[1] = BPF_CORE_READ(link, new_dfd);
	put_kernel_text(s, SAKER_FIELD_TEXT | OF(0), BPF_CORE_READ(link, oldpath, name));
	put_copied_path(s, OF(2), e->arguments[1], BPF_CORE_READ(link, newpath));
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(ring_path, struct io_kiocb *request)
{
	u8 operation = request->opcode;
	u32 kind = path_kind(operation);
	if (kind == SAKER_KIND_COUNT)
		return 0;
	struct scratch *s = begin_ring(kind);
	if (!s)
		return 0;
	struct saker_call *e = body_of(s);
	struct io_unlink *unlink = (void *)request;
	struct io_mkdir *mkdir = (void *)request;
	switch (operation) {
	case IORING_OP_RENAMEAT:
		fill_rename(s, (void *)request);
		break;
	case IORING_OP_LINKAT:
		fill_link(s, (void *)request);
		break;
	case IORING_OP_SYMLINKAT:
		fill_symlink(s, (void *)request);
		break;
	case IORING_OP_UNLINKAT:
		e->arguments[0] = BPF_CORE_READ(unlink, dfd);
		e->arguments[2] = BPF_CORE_READ(unlink, flags);
		put_copied_path(s, OF(1), e->arguments[0], BPF_CORE_READ(unlink, filename));
		break;
	case IORING_OP_MKDIRAT:
		e->arguments[0] = BPF_CORE_READ(mkdir, dfd);
		e->arguments[2] = BPF_CORE_READ(mkdir, mode);
		put_copied_path(s, OF(1), e->arguments[0], BPF_CORE_READ(mkdir, filename));
		break;
	}
	send(s, &bulk, kind);
	return 0;
}

static __always_inline u32 socket_kind(u8 operation)
{
	switch (operation) {
	case IORING_OP_ACCEPT: return SAKER_ACCEPT4;
	case IORING_OP_CLOSE: return SAKER_CLOSE;
	case IORING_OP_SEND:
	case IORING_OP_SEND_ZC: return SAKER_SENDTO;
	case IORING_OP_RECV: return SAKER_RECVFROM;
	case IORING_OP_SENDMSG:
	case IORING_OP_SENDMSG_ZC: return SAKER_SENDMSG;
	case IORING_OP_RECVMSG: return SAKER_RECVMSG;
	case IORING_OP_SOCKET: return SAKER_SOCKET;
	case IORING_OP_SHUTDOWN: return SAKER_SHUTDOWN;
	case IORING_OP_BIND: return SAKER_BIND;
	case IORING_OP_LISTEN: return SAKER_LISTEN;
	}
	return SAKER_KIND_COUNT;
}

/* The requests that older kernels lack, with their types. */
static __always_inline void fill_newer(struct saker_call *e, struct io_kiocb *request, u32 kind)
{
	struct io_socket *socket = (void *)request;
	struct io_bind *bind = (void *)request;
	struct io_listen *listen = (void *)request;
	if (kind == SAKER_SOCKET && bpf_core_type_exists(struct io_socket)) {
		e->arguments[0] = BPF_CORE_READ(socket, domain);
		e->arguments[1] = BPF_CORE_READ(socket, type);
		e->arguments[2] = BPF_CORE_READ(socket, protocol);
	} else if (kind == SAKER_BIND && bpf_core_type_exists(struct io_bind)) {
		e->arguments[2] = BPF_CORE_READ(bind, addr_len);
	} else if (kind == SAKER_LISTEN && bpf_core_type_exists(struct io_listen)) {
		e->arguments[1] = BPF_CORE_READ(listen, backlog);
	}
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(ring_socket, struct io_kiocb *request)
{
	u32 kind = socket_kind(request->opcode);
	if (kind == SAKER_KIND_COUNT)
		return 0;
	struct scratch *s = begin_ring(kind);
	if (!s)
		return 0;
	struct saker_call *e = body_of(s);
	struct io_sr_msg *message = (void *)request;
	struct io_accept *accept = (void *)request;
	s32 number = request->cqe.fd;
	e->arguments[0] = number;
	switch (kind) {
	case SAKER_SENDTO:
	case SAKER_RECVFROM:
		e->arguments[1] = (u64)BPF_CORE_READ(message, buf);
		e->arguments[2] = (u32)BPF_CORE_READ(message, len);
		if (kind == SAKER_SENDTO)
			put_data(s, OF(1), e->arguments[1], e->arguments[2]);
		break;
	case SAKER_SENDMSG:
	case SAKER_RECVMSG:
		e->arguments[1] = (u64)BPF_CORE_READ(message, umsg);
		put_message(s, OF(1), e->arguments[1], kind == SAKER_SENDMSG ? ~0ull : 0);
		break;
	case SAKER_ACCEPT4:
		e->arguments[3] = (u32)BPF_CORE_READ(accept, flags);
		break;
	case SAKER_CLOSE:
		e->arguments[0] = BPF_CORE_READ((struct io_close *)request, fd);
		break;
	case SAKER_SHUTDOWN:
		e->arguments[1] = BPF_CORE_READ((struct io_shutdown *)request, how);
		break;
	default:
		fill_newer(e, request, kind);
	}
	/* A registered file is known by another number, which is not one of a descriptor. */
	if (request->flags & REQ_F_FIXED_FILE)
		header_of(s)->flags |= SAKER_NO_FILE;
	else if (kind != SAKER_SOCKET && kind != SAKER_CLOSE && kind != SAKER_ACCEPT4)
		put_descriptor(s, OF(0), number);
	send(s, &bulk, kind);
	return 0;
}
