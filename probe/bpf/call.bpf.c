/* Every system call without a program of its own: a table says what its arguments are. */
#include "descriptor.h"

/* By kind. */
const volatile struct saker_plan saker_plans[SAKER_KINDS_MAX + 1];

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

static __noinline void put_path_argument(struct scratch *s, u16 of, s32 directory, u64 text)
{
	char first = 0;
	put_user_text(s, SAKER_FIELD_RAW | of, (void *)text);
	bpf_probe_read_user(&first, 1, (void *)text);
	if (first == '/')
		return;
	if (directory == AT_FDCWD) {
		struct task_struct *task = (void *)bpf_get_current_task_btf();
		put_path(s, SAKER_FIELD_BASE | of, &task->fs->pwd);
		return;
	}
	struct file *file = file_of(directory);
	if (file)
		put_path(s, SAKER_FIELD_BASE | of, __builtin_preserve_access_index(&file->f_path));
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

static __always_inline u64 argument_of(struct scratch *s, u32 index)
{
	struct saker_call *e = body_of(s);
	return index < SAKER_CALL_ARGUMENTS ? e->arguments[index] : 0;
}

static __always_inline void put_argument(struct scratch *s, u32 index)
{
	u16 kind = header_of(s)->kind;
	const volatile struct saker_plan *plan = &saker_plans[kind & SAKER_KINDS_MAX];
	u64 value = argument_of(s, index);
	u16 of = (index + 1) << 8;
	u8 with = plan->with[index];
	switch (plan->reading[index]) {
	case SAKER_READ_PATH:
		put_path_argument(s, of, with == SAKER_WITHOUT ? AT_FDCWD : (s32)argument_of(s, with), value);
		break;
	case SAKER_READ_TEXT:
		if (with == SAKER_WITHOUT || argument_of(s, 0) == with)
			put_text_argument(s, of, value);
		break;
	case SAKER_READ_DESCRIPTOR:
		put_descriptor(s, of, value);
		break;
	case SAKER_READ_ADDRESS:
		put_address(s, of, value, (u32)argument_of(s, with));
		break;
	case SAKER_READ_ADDRESS_BACK: {
		u32 length = 0;
		bpf_probe_read_user(&length, sizeof(length), (void *)argument_of(s, with));
		if (header_of(s)->result >= 0)
			put_address(s, of, value, length);
		break;
	}
	case SAKER_READ_DATA:
		put_data(s, of, value, argument_of(s, with));
		break;
	case SAKER_READ_DATA_BACK:
		put_data(s, of, value, bytes_read(s, value, 0));
		break;
	case SAKER_READ_MESSAGE:
		put_message(s, of, value, ~0ull);
		break;
	case SAKER_READ_MESSAGE_BACK:
		put_message(s, of, value, bytes_read(s, value, with == 1));
		break;
	case SAKER_READ_VECTOR: {
		struct vector v = vector_at(value, header_of(s)->flags & SAKER_COMPAT);
		put_data(s, of, v.start, v.length);
		break;
	}
	case SAKER_READ_STRUCTURE:
		put_structure(s, of, value, with);
		break;
	}
}

static long argument_callback(u32 index, void *unused)
{
	u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	if (!s || index >= SAKER_CALL_ARGUMENTS)
		return 1;
	put_argument(s, index);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_call, struct pt_regs *regs, long result)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct call call = call_of(regs);
	u32 kind = call.operation - 1;
	u8 flags = saker_plans[kind & SAKER_KINDS_MAX].flags;
	if (flags & SAKER_PLAN_FAILED && result >= 0)
		return 0;
	struct scratch *s = begin_call(kind, result, call.compat, sizeof(struct saker_call));
	if (!s)
		return 0;
	struct saker_call *e = body_of(s);
	e->arguments[0] = argument(regs, &call, 0);
	e->arguments[1] = argument(regs, &call, 1);
	e->arguments[2] = argument(regs, &call, 2);
	e->arguments[3] = argument(regs, &call, 3);
	e->arguments[4] = argument(regs, &call, 4);
	e->arguments[5] = argument(regs, &call, 5);
	bpf_loop(SAKER_CALL_ARGUMENTS, argument_callback, NULL, 0);
	if (flags & SAKER_PLAN_MADE && result >= 0)
		put_descriptor(s, 0, result);
	if (flags & SAKER_PLAN_MOVED && result >= 0)
		put_path(s, SAKER_FIELD_CWD, &task->fs->pwd);
	send(s, &bulk, kind);
	return 0;
}
