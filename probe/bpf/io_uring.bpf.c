/* Opens and connects asked for through io_uring, which make no system call of their own.
 *
 * Seen when they are handed in: what is asked for is known, the outcome is not. Linux 6.1 calls the
 * tracepoint io_uring_submit_sqe; its first argument is the same. */
#include "network.bpf.c"

enum { IORING_OP_CONNECT = 16, IORING_OP_OPENAT = 18, IORING_OP_OPENAT2 = 28 };

static __always_inline struct scratch *begin_request(u32 kind, u32 body_bytes)
{
	struct scratch *s = begin_call(kind, 0, 0, body_bytes);
	if (s)
		header_of(s)->flags |= SAKER_IO_URING;
	return s;
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(ring_open, struct io_kiocb *request)
{
	u8 operation = request->opcode;
	if (operation != IORING_OP_OPENAT && operation != IORING_OP_OPENAT2)
		return 0;
	u32 kind = operation == IORING_OP_OPENAT ? SAKER_OPENAT : SAKER_OPENAT2;
	if (muted(kind))
		return 0;
	struct scratch *s = begin_request(kind, sizeof(struct saker_open));
	if (!s)
		return 0;
	struct io_open *open = (void *)request;
	struct saker_open *e = body_of(s);
	const char *typed = BPF_CORE_READ(open, filename, name);
	char first = 0;
	__builtin_memset(e, 0, sizeof(*e));
	header_of(s)->flags |= SAKER_NO_FILE;
	fill_how(e, BPF_CORE_READ(open, how.flags), BPF_CORE_READ(open, how.mode));
	put_kernel_text(s, SAKER_FIELD_RAW, typed);
	bpf_probe_read_kernel(&first, 1, typed);
	put_base(s, first, BPF_CORE_READ(open, dfd));
	send(s, &bulk, kind);
	return 0;
}

SEC("tp_btf/io_uring_submit_req")
int BPF_PROG(ring_connect, struct io_kiocb *request)
{
	if (request->opcode != IORING_OP_CONNECT || muted(SAKER_CONNECT))
		return 0;
	struct scratch *s = begin_request(SAKER_CONNECT, sizeof(struct saker_connect));
	if (!s)
		return 0;
	struct io_connect *connect = (void *)request;
	/* The file itself is looked up only when the request is carried out. */
	fill_connect(s, request->cqe.fd, (u64)BPF_CORE_READ(connect, addr),
		     BPF_CORE_READ(connect, addr_len));
	end_connect(s);
	return 0;
}
