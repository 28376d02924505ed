/* Every system call without a program of its own: a table says what its arguments are. */
#include "argument.h"
#include "filter_record.h"

/* By kind. */
const volatile struct saker_plan saker_plans[SAKER_KINDS_MAX + 1];

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

static __always_inline int end_call(struct pt_regs *regs, long result)
{
	struct task_struct *task = current_task();
	struct call call = call_of(regs);
	u32 kind = call.operation - 1;
	u8 flags = saker_plans[kind & SAKER_KINDS_MAX].flags;
	if (flags & SAKER_PLAN_FAILED && result >= 0)
		return 0;
	if (drops_call(regs, &call, result))
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
	end_told(s, kind);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_call, struct pt_regs *regs, long result)
{
	return end_call(regs, result);
}
