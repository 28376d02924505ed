/* What rules need now. User space changes it while the probe runs: a word at a time, and so that each
 * word holds by itself. `src/needs.rs` mirrors it. */
#pragma once
#include <linux/types.h>

#define SAKER_SYSCALLS_MAX 512
#define SAKER_SOCKETCALLS_MAX 32

struct saker_needs {
	__u64 wanted[2];        /* bit per kind: user space wants these records */
	__u64 environment;      /* 1: that of new programs too */
	/* By call number: low byte the 64-bit call's operation, high byte the 32-bit call's; an
	 * operation is `kind + 1`, 0 for a call nobody wants. */
	__u16 operations[SAKER_SYSCALLS_MAX];
	/* i386 `socketcall` carries these calls; by its first argument: low byte the operation, high
	 * byte how many arguments there are. */
	__u16 socketcalls[SAKER_SOCKETCALLS_MAX];
};
