/* What a descriptor stands for: a file with its path, a socket with its ends. */
#pragma once
#include "syscall.h"

#define INODE_HEAD 128

struct inode_facts {
	u64 inode;
	u32 device;
	u16 mode;
};

/* One read serves three fields: each costs as much as the copy of all of them. Not inlined: the frames
 * on the way to `put_path` may take 512 bytes together, and Linux 6.1 rounds each up to 32. */
static __noinline void read_inode(struct inode *inode, struct inode_facts *facts)
{
	const u64 mode = bpf_core_field_offset(struct inode, i_mode);
	const u64 super = bpf_core_field_offset(struct inode, i_sb);
	const u64 number = bpf_core_field_offset(struct inode, i_ino);
	u8 head[INODE_HEAD];
	struct super_block *block;
	if (mode > INODE_HEAD - 8 || super > INODE_HEAD - 8 || number > INODE_HEAD - 8) {
		facts->mode = BPF_CORE_READ(inode, i_mode);
		facts->inode = BPF_CORE_READ(inode, i_ino);
		block = BPF_CORE_READ(inode, i_sb);
	} else {
		bpf_probe_read_kernel(head, sizeof(head), inode);
		facts->mode = *(u16 *)(head + mode);
		facts->inode = *(u64 *)(head + number);
		block = *(struct super_block **)(head + super);
	}
	facts->device = user_device(BPF_CORE_READ(block, s_dev));
}

static __always_inline struct inode_facts inode_facts(struct inode *inode)
{
	struct inode_facts facts = {};
	read_inode(inode, &facts);
	return facts;
}

static __always_inline void fill_socket(struct saker_descriptor *d, struct socket *socket, struct sock *sock)
{
	d->family = BPF_CORE_READ(sock, __sk_common.skc_family);
	d->type = BPF_CORE_READ(socket, type);
	d->protocol = BPF_CORE_READ(sock, sk_protocol);
	d->state = BPF_CORE_READ(sock, __sk_common.skc_state);
	if (d->family != AF_INET && d->family != AF_INET6)
		return;
	d->local_port = BPF_CORE_READ(sock, __sk_common.skc_num);
	d->remote_port = bpf_ntohs(BPF_CORE_READ(sock, __sk_common.skc_dport));
	if (d->family == AF_INET) {
		BPF_CORE_READ_INTO((u32 *)d->local, sock, __sk_common.skc_rcv_saddr);
		BPF_CORE_READ_INTO((u32 *)d->remote, sock, __sk_common.skc_daddr);
	} else {
		BPF_CORE_READ_INTO((struct in6_addr *)d->local, sock, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO((struct in6_addr *)d->remote, sock, __sk_common.skc_v6_daddr);
	}
}

/* Appends the address a Unix socket is bound to, else that of its peer; most have only one. */
static __always_inline void put_unix(struct scratch *s, u16 of, struct sock *sock)
{
	struct unix_sock *own = (void *)sock;
	struct unix_address *address = BPF_CORE_READ(own, addr);
	if (!address) {
		struct unix_sock *peer = (void *)BPF_CORE_READ(own, peer);
		if (!peer)
			return;
		address = BPF_CORE_READ(peer, addr);
		if (!address)
			return;
	}
	u64 length = BPF_CORE_READ(address, len);
	u8 *at = field_at(s, SAKER_ADDRESS_MAX);
	if (!at || length <= 2)
		return;
	length -= 2;
	CLAMP(length, 108);
	bpf_probe_read_kernel(at + sizeof(struct saker_field), length,
			      (void *)address + bpf_core_field_offset(struct unix_address, name) +
				      bpf_core_field_offset(struct sockaddr_un, sun_path));
	field_end(s, at, SAKER_FIELD_UNIX | of, length);
}

/* Appends what a descriptor of the current task stands for. */
static __noinline void put_descriptor(struct scratch *s, u16 of, s32 number)
{
	struct saker_descriptor d = {};
	struct file *file = file_of(number);
	struct sock *sock = NULL;
	if (!file) {
		header_of(s)->flags |= SAKER_NO_FILE;
		return;
	}
	u8 *at = field_at(s, sizeof(d));
	if (!at)
		return;
	struct inode_facts facts = inode_facts(BPF_CORE_READ(file, f_inode));
	d.inode = facts.inode;
	d.device = facts.device;
	d.mode = facts.mode;
	d.number = number;
	d.flags = BPF_CORE_READ(file, f_flags);
	if ((d.mode & S_IFMT) == S_IFSOCK) {
		struct socket *socket = BPF_CORE_READ(file, private_data);
		sock = BPF_CORE_READ(socket, sk);
		if (sock)
			fill_socket(&d, socket, sock);
	}
	__builtin_memcpy(at + sizeof(struct saker_field), &d, sizeof(d));
	field_end(s, at, SAKER_FIELD_DESCRIPTOR | of, sizeof(d));
	if (!sock)
		put_path(s, SAKER_FIELD_PATH | of, __builtin_preserve_access_index(&file->f_path));
	else if (d.family == AF_UNIX)
		put_unix(s, of, sock);
}
