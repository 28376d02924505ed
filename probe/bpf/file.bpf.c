/* Opening files. */
#include "descriptor.h"
#include "filter_record.h"

/* Linux adds O_LARGEFILE to what 64-bit programs ask for, and passes over a mode nobody needs. */
static __always_inline void fill_how(struct saker_open *e, u32 flags, u32 create_mode)
{
	e->flags = flags & ~O_LARGEFILE;
	e->create_mode = flags & (O_CREAT | O_TMPFILE_ALONE) ? create_mode : 0;
}

static __always_inline void fill_open(struct scratch *s, struct file *file, s32 directory,
				      const void *typed, u32 flags, u32 create_mode)
{
	struct saker_open *e = body_of(s);
	__builtin_memset(e, 0, sizeof(*e));
	fill_how(e, flags, create_mode);
	if (file) {
		struct inode_facts facts = inode_facts(BPF_CORE_READ(file, f_inode));
		e->mode = facts.mode;
		e->inode = facts.inode;
		e->device = facts.device;
		e->opened_flags = BPF_CORE_READ(file, f_flags);
		put_path(s, SAKER_FIELD_PATH, __builtin_preserve_access_index(&file->f_path));
	} else if (header_of(s)->result >= 0) {
		header_of(s)->flags |= SAKER_NO_FILE;
	}
	put_typed_path(s, directory, typed);
}

/* Tells of an open whose descriptor, if it got one, is of `file`. */
static __always_inline int tell_open(struct pt_regs *regs, const struct call *call, long result,
				     struct file *file)
{
	u32 kind = call->operation - 1;
	struct scratch *s = begin_call(kind, result, call->compat, sizeof(struct saker_open));
	if (!s)
		return 0;
	u64 a = argument(regs, call, 0), b = argument(regs, call, 1);
	u64 c = argument(regs, call, 2), d = argument(regs, call, 3);
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
	fill_open(s, file, directory, (void *)path, how.flags, how.mode);
	end_opened(s, kind);
	return 0;
}

/* The same where the call has ended: the descriptor is looked up anew, and may be another file's. */
static __always_inline int end_open(struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	return tell_open(regs, &call, result, result >= 0 ? file_of(result) : NULL);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_open, struct pt_regs *regs, long result)
{
	return end_open(regs, result);
}
