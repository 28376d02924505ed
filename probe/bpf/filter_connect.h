/* Drops connects that no rule wants. Decided by the finished record: from the very bytes that user space
 * would read, whichever hook filled them. */
#pragma once
#include "filter_open.h"

#define SOCK_RAW 3
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define UNIX_PATH_MAX 108
#define MAPPED 0xffff0000u /* of an IPv4 address mapped into IPv6, where its third word lies */

/* An address in the form of `struct saker_networks`. */
struct address { u64 words[2]; };

static __always_inline struct address address_of(u32 family, const u8 *bytes)
{
	struct address a = {};
	if (family == AF_INET) {
		a.words[1] = (u64)*(u32 *)bytes << 32 | MAPPED;
		return a;
	}
	a.words[0] = (u64)*(u32 *)(bytes + 4) << 32 | *(u32 *)bytes;
	a.words[1] = (u64)*(u32 *)(bytes + 12) << 32 | *(u32 *)(bytes + 8);
	return a;
}

static __always_inline int is_mapped(const struct address *a)
{
	return a->words[0] == 0 && (u32)a->words[1] == MAPPED;
}

/* The search for the first network that holds an address. */
struct networks_search {
	const struct saker_networks *networks;
	struct address address;
	u64 place;
};

static long search_callback(u32 index, void *context)
{
	struct networks_search *s = context;
	u64 place = index & (SAKER_FILTER_NETWORKS - 1);
	const struct saker_networks *n = s->networks;
	u64 differ = ((s->address.words[0] & n->bits[place][0]) ^ n->address[place][0]) |
		     ((s->address.words[1] & n->bits[place][1]) ^ n->address[place][1]);
	s->place = place;
	return differ == 0;
}

static __always_inline void narrow_by_address(struct sieve *sieve, struct address address)
{
	struct networks_search s = { .networks = &sieve->program->remote, .address = address };
	u64 count = s.networks->count;
	CLAMP(count, SAKER_FILTER_NETWORKS);
	bpf_loop(count, search_callback, &s, 0);
	narrow(sieve, &sieve->program->remote.masks[s.place & (SAKER_FILTER_NETWORKS - 1)]);
}

static __always_inline u64 protocol_of(const struct saker_connect *e)
{
	if (e->type == SOCK_RAW)
		return SAKER_PROTOCOL_RAW;
	switch (e->protocol) {
	case IPPROTO_TCP: return SAKER_PROTOCOL_TCP;
	case IPPROTO_UDP: return SAKER_PROTOCOL_UDP;
	case 1:
	case 58: return SAKER_PROTOCOL_ICMP;
	}
	return SAKER_PROTOCOL_ABSENT;
}

/* Narrows by the ends of a socket with addresses. */
static __always_inline void narrow_by_ends(struct sieve *sieve, const struct saker_connect *e)
{
	struct saker_filter_program *program = sieve->program;
	struct address remote = address_of(e->family, e->remote);
	narrow(sieve, &program->descriptor[is_mapped(&remote) ? SAKER_DESCRIPTOR_IPV4
							     : SAKER_DESCRIPTOR_IPV6]);
	narrow(sieve, &program->protocol[protocol_of(e)]);
	narrow(sieve, &program->ends);
	if (program->dimensions & SAKER_BY_REMOTE_PORT)
		narrow_by_range(sieve, &program->remote_port, e->remote_port);
	if (program->dimensions & SAKER_BY_LOCAL_PORT)
		narrow_by_range(sieve, &program->local_port, e->local_port);
	if (program->dimensions & SAKER_BY_ADDRESS)
		narrow_by_address(sieve, remote);
}

/* Narrows where there are no addresses. */
static __always_inline void narrow_by_no_ends(struct sieve *sieve, u64 descriptor)
{
	struct saker_filter_program *program = sieve->program;
	narrow(sieve, &program->descriptor[descriptor]);
	narrow(sieve, &program->protocol[SAKER_PROTOCOL_ABSENT]);
	if (program->dimensions & SAKER_BY_REMOTE_PORT)
		narrow(sieve, &program->remote_port.absent);
	if (program->dimensions & SAKER_BY_LOCAL_PORT)
		narrow(sieve, &program->local_port.absent);
	if (program->dimensions & SAKER_BY_ADDRESS)
		narrow(sieve, &program->remote.absent);
}

/* Copies the path of a Unix socket to where paths are put together; returns its length. The record's
 * one field behind its body holds it, if there is any. */
static __always_inline u64 copy_unix_path(struct scratch *s)
{
	const u64 at = sizeof(struct saker_header) + sizeof(struct saker_connect);
	struct saker_field *field = (void *)s->data + at;
	const u8 *text = s->data + at + sizeof(*field);
	u64 length = field->length;
	if (s->length == at || field->type != SAKER_FIELD_UNIX)
		return 0;
	CLAMP(length, UNIX_PATH_MAX);
	bpf_probe_read_kernel(s->path, UNIX_PATH_MAX, text);
	if (length > 0 && s->path[0] == 0) {
		s->path[0] = '@';
		return length;
	}
	s->path[length] = 0;
	long copied = bpf_probe_read_kernel_str(s->path + PATH_BYTES, UNIX_PATH_MAX + 1, s->path);
	return copied > 0 ? copied - 1 : 0;
}

static __always_inline void narrow_by_unix_path(struct sieve *sieve, struct scratch *s)
{
	struct reading r;
	struct saker_mask possible = sieve->program->quiet;
	u64 length = copy_unix_path(s);
	CLAMP(length, UNIX_PATH_MAX);
	begin_reading(&r, sieve, &s->progress, s->path, 0);
	read_text(&r, length);
	join(&possible, end_reading(&r));
	narrow(sieve, &possible);
}

/* Returns whether no rule can match what this record tells. */
static __noinline int unwanted_connect(struct scratch *s)
{
	struct saker_connect *e = body_of(s);
	struct saker_header *h = header_of(s);
	struct sieve sieve;
	if (!sieve_for(&sieve, SAKER_CONNECT))
		return 0;
	if (sieve.program->dimensions & SAKER_BY_RESULT)
		narrow_by_range(&sieve, &sieve.program->result, h->result);
	if (sieve.program->dimensions & SAKER_BY_USER)
		narrow_by_range(&sieve, &sieve.program->user, h->uid);
	if (e->family == AF_INET || e->family == AF_INET6) {
		narrow_by_ends(&sieve, e);
	} else if (e->family == AF_UNIX) {
		narrow_by_no_ends(&sieve, SAKER_DESCRIPTOR_UNIX);
		if (sieve.program->dimensions & SAKER_BY_PATH && !empty(&sieve.left))
			narrow_by_unix_path(&sieve, s);
	} else {
		narrow_by_no_ends(&sieve, SAKER_DESCRIPTOR_OTHER);
		if (sieve.program->dimensions & SAKER_BY_PATH)
			narrow(&sieve, &sieve.program->quiet);
	}
	return empty(&sieve.left);
}

/* Ends the record of a connect: it is sent, unless no rule wants it. */
static __always_inline void end_connect(struct scratch *s)
{
	if (saker_filtering && saker_generation && unwanted_connect(s))
		drop(s, SAKER_CONNECT);
	else
		send(s, &bulk, SAKER_CONNECT);
}
