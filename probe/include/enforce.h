/* What user space tells the probe to end, and what the probe says it did.
 *
 * Everything is words of 64 bits, so that both sides see the same without padding; `src/enforce.rs`
 * mirrors it. A fact of a program that was started is an atom, a bit of one word; a clause holds
 * when all atoms it needs are there and none that it forbids. */
#pragma once
#include <linux/types.h>

#define SAKER_ENFORCE_PATH_BYTES 256    /* an LPM trie takes no more */
#define SAKER_ENFORCE_CLAUSES_MAX 64
#define SAKER_ENFORCE_RANGES_MAX 16
#define SAKER_ENFORCE_GUARDS_MAX 64

/* Atoms that no table names; the rest, from `FIRST`, are user space's to choose. */
#define SAKER_ATOM_HOST 0
#define SAKER_ATOM_MEMFD 1
#define SAKER_ATOM_UPPER_LAYER 2
#define SAKER_ATOM_PROTECTED 3          /* by its path, if it has init's root */
#define SAKER_ATOM_FIRST 4

/* Bits of `saker_clause.kinds`. */
#define SAKER_BY_EXECVE 1
#define SAKER_BY_EXECVEAT 2

enum saker_enforce_mode {
	SAKER_ENFORCE_OFF,
	SAKER_ENFORCE_MONITOR,
	SAKER_ENFORCE_ENFORCE,
};

enum saker_enforced_outcome {
	SAKER_ENFORCED_KILLED,
	SAKER_ENFORCED_WOULD_KILL,      /* monitored only */
	SAKER_ENFORCED_PROTECTED,       /* one that is never ended */
	SAKER_ENFORCED_OVER_BOUND,      /* too many in this minute */
	SAKER_ENFORCED_FAILED,          /* the kernel refused the signal */
	SAKER_ENFORCED_COUNT,
};

struct saker_clause {
	__u64 needs;
	__u64 forbids;
	__u64 guard;                    /* one bit; 0 after the last clause */
	__u64 kinds;
};

/* User ids from one to another, both included: the atom holds between them. */
struct saker_range {
	__u64 from;
	__u64 to;
	__u64 atom;                     /* one bit; 0 after the last range */
};

struct saker_enforce_plan {
	__u64 mode;
	__u64 kills_per_minute_max;
	__u64 path_atoms;               /* unknown when the path is not whole */
	struct saker_range ranges[SAKER_ENFORCE_RANGES_MAX];
	struct saker_clause clauses[SAKER_ENFORCE_CLAUSES_MAX];
};

/* Written by one side, read by the other: kills within a minute since boot. */
struct saker_enforce_minute {
	__u64 minute;
	__u64 kills;
	__u64 tripped;                  /* 1: too many once, nothing is ended any more */
};

/* The value of `SAKER_FIELD_ENFORCED`. */
struct saker_enforced {
	__u64 guards;                   /* those that held */
	__u64 generation;               /* of the plan they are of */
	__u64 outcome;
};
