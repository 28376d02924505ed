/* Opening files. */
#include "descriptor.h"

/* Linux adds O_LARGEFILE to what 64-bit programs ask for, and passes over a mode nobody needs. */
static __always_inline void fill_how(struct saker_open *e, u32 flags, u32 create_mode)
{
	e->flags = flags & ~O_LARGEFILE;
	e->create_mode = flags & (O_CREAT | O_TMPFILE_ALONE) ? create_mode : 0;
}

static __always_inline void fill_open(struct scratch *s, s32 directory, const void *typed,
				      u32 flags, u32 create_mode)
{
	struct saker_open *e = body_of(s);
	long result = header_of(s)->result;
	__builtin_memset(e, 0, sizeof(*e));
	fill_how(e, flags, create_mode);
	if (result >= 0) {
		struct file *file = file_of(result);
		if (file) {
			struct inode_facts facts = inode_facts(BPF_CORE_READ(file, f_inode));
			e->mode = facts.mode;
			e->inode = facts.inode;
			e->device = facts.device;
			e->opened_flags = BPF_CORE_READ(file, f_flags);
			put_path(s, SAKER_FIELD_PATH, __builtin_preserve_access_index(&file->f_path));
		} else {
			header_of(s)->flags |= SAKER_NO_FILE;
		}
	}
	put_typed_path(s, directory, typed);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_open, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	u32 kind = call.operation - 1;
	struct scratch *s = begin_call(kind, result, call.compat, sizeof(struct saker_open));
	if (!s)
		return 0;
	u64 a = argument(regs, &call, 0), b = argument(regs, &call, 1);
	u64 c = argument(regs, &call, 2), d = argument(regs, &call, 3);
	struct open_how how = {};
	s32 directory = AT_FDCWD;
	u64 path = a;
	switch (kind) {
	case SAKER_OPEN:
		how.flags = b;
		how.mode = c;
		break;
	case SAKER_CREAT:
		how.flags = 01101; /* O_CREAT | O_WRONLY | O_TRUNC */
		how.mode = b;
		break;
	case SAKER_OPENAT2:
		directory = a;
		path = b;
		bpf_probe_read_user(&how, sizeof(how), (void *)c);
		break;
	default:
		directory = a;
		path = b;
		how.flags = c;
		how.mode = d;
	}
	fill_open(s, directory, (void *)path, how.flags, how.mode);
	send(s, &bulk, kind);
	return 0;
}

/* The same from a trampoline: its `how` is the kernel's own copy. */
SEC("fexit/do_sys_openat2")
int BPF_PROG(trampoline_open, s32 directory, const char *typed, struct open_how *how, long result)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	struct call call = call_of((void *)bpf_task_pt_regs((void *)task));
	u32 kind = call.operation - 1;
	if (!call.operation || muted(kind))
		return 0;
	struct scratch *s = begin_call(kind, result, call.compat, sizeof(struct saker_open));
	if (!s)
		return 0;
	fill_open(s, directory, typed, how->flags, how->mode);
	send(s, &bulk, kind);
	return 0;
}
