/* Arguments that are more than a number, each a field of its own. */
#pragma once
#include "descriptor.h"

#define STRUCTURE_MAX 64
#define VECTORS_MAX 8

/* `struct msghdr`, as far as it is read, in the width of its caller. */
struct message {
	u64 name, name_length, vectors, vector_count;
};

static __always_inline struct message message_at(u64 address, u32 compat)
{
	struct message m = {};
	if (compat) {
		u32 words[4] = {};
		bpf_probe_read_user(words, sizeof(words), (void *)address);
		m.name = words[0];
		m.name_length = words[1];
		m.vectors = words[2];
		m.vector_count = words[3];
	} else {
		u64 words[4] = {};
		bpf_probe_read_user(words, sizeof(words), (void *)address);
		m.name = words[0];
		m.name_length = (u32)words[1];
		m.vectors = words[2];
		m.vector_count = words[3];
	}
	return m;
}

struct vector { u64 start, length; };

static __always_inline struct vector vector_at(u64 address, u32 compat)
{
	struct vector v = {};
	if (compat) {
		u32 words[2] = {};
		bpf_probe_read_user(words, sizeof(words), (void *)address);
		v.start = words[0];
		v.length = words[1];
	} else {
		bpf_probe_read_user(&v, sizeof(v), (void *)address);
	}
	return v;
}

static __noinline void put_data(struct scratch *s, u16 of, u64 address, u64 length)
{
	if (length > SAKER_DATA_MAX)
		length = SAKER_DATA_MAX;
	put_user_range(s, SAKER_FIELD_DATA | of, address, address + length, SAKER_DATA_MAX);
}

static __noinline void put_address(struct scratch *s, u16 of, u64 address, u64 length)
{
	if (!address)
		return;
	if (length > SAKER_ADDRESS_MAX)
		length = SAKER_ADDRESS_MAX;
	put_user_range(s, SAKER_FIELD_ADDRESS | of, address, address + length, SAKER_ADDRESS_MAX);
}

static __noinline void put_structure(struct scratch *s, u16 of, u64 address, u64 length)
{
	put_user_range(s, SAKER_FIELD_STRUCTURE | of, address, address + length, STRUCTURE_MAX);
}

/* Appends a message's address, its first bytes, and as a structure how much it has room for. */
static __noinline void put_message(struct scratch *s, u16 of, u64 address, u64 bytes)
{
	u32 compat = header_of(s)->flags & SAKER_COMPAT;
	struct message m = message_at(address, compat);
	struct vector first = {};
	u64 room = 0;
	for (u32 i = 0; i < VECTORS_MAX && i < m.vector_count; i++) {
		struct vector v = vector_at(m.vectors + i * (compat ? 8 : 16), compat);
		if (i == 0)
			first = v;
		room += v.length;
	}
	put_address(s, of, m.name, m.name_length);
	put_data(s, of, first.start, first.length < bytes ? first.length : bytes);
	u8 *at = field_at(s, sizeof(room));
	if (!at)
		return;
	__builtin_memcpy(at + sizeof(struct saker_field), &room, sizeof(room));
	field_end(s, at, SAKER_FIELD_STRUCTURE | of, sizeof(room));
}

/* Appends the directory at which an argument that is a path starts, if it is relative. */
static __noinline void put_base_of(struct scratch *s, u16 of, char first, s32 directory)
{
	if (first == '/')
		return;
	if (directory == AT_FDCWD) {
		struct task_struct *task = current_task();
		put_path(s, SAKER_FIELD_BASE | of, &task->fs->pwd);
		return;
	}
	struct file *file = file_of(directory);
	if (file)
		put_path(s, SAKER_FIELD_BASE | of, __builtin_preserve_access_index(&file->f_path));
}

static __noinline void put_path_argument(struct scratch *s, u16 of, s32 directory, u64 text)
{
	char first = 0;
	put_user_text(s, SAKER_FIELD_RAW | of, (void *)text);
	bpf_probe_read_user(&first, 1, (void *)text);
	put_base_of(s, of, first, directory);
}

static __noinline void put_text_argument(struct scratch *s, u16 of, u64 text)
{
	if (text)
		put_user_text(s, SAKER_FIELD_TEXT | of, (void *)text);
}

/* How many bytes there are to see of what was read: of `recvmmsg` each message says it itself. */
static __always_inline u64 bytes_read(struct scratch *s, u64 message, u32 several)
{
	u32 compat = header_of(s)->flags & SAKER_COMPAT, length = 0;
	long result = header_of(s)->result;
	if (result <= 0)
		return 0;
	if (!several)
		return result;
	bpf_probe_read_user(&length, sizeof(length), (void *)(message + (compat ? 28 : 56)));
	return length;
}
