/* What the loaded rules leave for the kernel: tables that say which events no rule can match.
 *
 * Written by user space, never changed once the probe can see them: other rules are another map,
 * put in place by one update. `src/filter.rs` mirrors every offset. */
#pragma once
#include <linux/types.h>

#define SAKER_FILTER_STATES 16384       /* of the automaton over paths */
#define SAKER_FILTER_CLASS_BITS 6
#define SAKER_FILTER_OUTPUTS 4096       /* sets of groups that paths can add, of one program */
#define SAKER_FILTER_PATH_PROGRAMS 8    /* programs that look at paths come first */
#define SAKER_FILTER_PROGRAMS 32
#define SAKER_FILTER_RANGES 32
#define SAKER_FILTER_NETWORKS 64
#define SAKER_FILTER_ROWS 128           /* of an open's flags */

/* Groups of rules that are still possible; none is left: the event goes no further. */
struct saker_mask {
	__u64 groups[2];
};

/* Beyond all numbers that ranges tell apart; what is beyond it counts as it. */
#define SAKER_FILTER_NUMBER_MAX (1ll << 61)

/* The last `first` that is no greater decides. The first of all is the lowest number there is, those
 * that are not used are the highest. */
struct saker_ranges {
	__u64 last;                     /* place of the last that is used */
	struct saker_mask absent;       /* where there is no number */
	__s64 first[SAKER_FILTER_RANGES];
	struct saker_mask masks[SAKER_FILTER_RANGES];
};

/* The first network that holds the address decides; one holds all. */
struct saker_networks {
	__u64 count;
	struct saker_mask absent;       /* where there is no address */
	__u64 address[SAKER_FILTER_NETWORKS][2];        /* in network order, IPv4 mapped into IPv6 */
	__u64 bits[SAKER_FILTER_NETWORKS][2];           /* the bits of it that count */
	struct saker_mask masks[SAKER_FILTER_NETWORKS];
};

/* A file that rules name by its full path. What has no device is no file. */
struct saker_known_file {
	__u64 inode;
	__u64 device;                   /* as the kernel counts them */
};

#define SAKER_KNOWN_PLACES 4096
#define SAKER_KNOWN_SEVERAL (~0ull)     /* for a device: several files belong here */

/* Dimensions in which something can be ruled out; the others need no look. */
enum saker_dimension {
	SAKER_BY_RESULT = 1 << 0,
	SAKER_BY_USER = 1 << 1,
	SAKER_BY_PATH = 1 << 2,
	SAKER_BY_TYPED = 1 << 3,        /* the text of a path as it was typed */
	SAKER_BY_LOCAL_PORT = 1 << 4,
	SAKER_BY_REMOTE_PORT = 1 << 5,
	SAKER_BY_ADDRESS = 1 << 6,      /* of the remote end */
	SAKER_BY_ARGUMENT = 1 << 7,     /* of the call, the first, and so on to the sixth */
	SAKER_BY_DESCRIPTOR = 1 << 13,  /* what the descriptor of a call stands for */
};

/* What a descriptor stands for, as far as opens and connects can tell. */
enum saker_descriptor_class {
	SAKER_DESCRIPTOR_ABSENT,
	SAKER_DESCRIPTOR_FILE,
	SAKER_DESCRIPTOR_DIRECTORY,
	SAKER_DESCRIPTOR_PIPE,
	SAKER_DESCRIPTOR_UNIX,
	SAKER_DESCRIPTOR_IPV4,
	SAKER_DESCRIPTOR_IPV6,
	SAKER_DESCRIPTOR_OTHER,
	SAKER_DESCRIPTORS,
};

enum saker_protocol { SAKER_PROTOCOL_ABSENT, SAKER_PROTOCOL_TCP, SAKER_PROTOCOL_UDP,
		      SAKER_PROTOCOL_ICMP, SAKER_PROTOCOL_RAW, SAKER_PROTOCOLS };

/* How much of a register an argument is. */
enum saker_width { SAKER_WIDTH_LONG, SAKER_WIDTH_SIGNED, SAKER_WIDTH_UNSIGNED };

/* What is possible for the events of one kind, or of several with the same rules. */
struct saker_filter_program {
	__u64 dimensions;
	__u8 widths[8];                 /* of the call's arguments */
	struct saker_mask all;
	struct saker_mask quiet;        /* if no path adds anything */
	struct saker_mask quiet_typed;  /* if what was typed adds nothing */
	struct saker_mask ends;         /* for a socket with addresses, whose name is no path */
	struct saker_mask flags[SAKER_FILTER_ROWS];
	struct saker_mask descriptor[SAKER_DESCRIPTORS];
	struct saker_mask protocol[SAKER_PROTOCOLS];
	struct saker_ranges result;
	struct saker_ranges user;
	struct saker_ranges remote_port;
	struct saker_ranges local_port;
	struct saker_networks remote;
	struct saker_ranges arguments[6];
};

struct saker_filter {
	__u64 generation;               /* never 0, never the same again */
	__u8 of_kind[128];              /* program + 1; 0: every event is sent */
	struct saker_filter_program programs[SAKER_FILTER_PROGRAMS];
	struct saker_mask outputs[SAKER_FILTER_PATH_PROGRAMS][SAKER_FILTER_OUTPUTS];
	struct saker_mask typed[SAKER_FILTER_PATH_PROGRAMS][SAKER_FILTER_OUTPUTS];
	__u16 hit[SAKER_FILTER_STATES];
	__u16 last[SAKER_FILTER_STATES];
	__u8 classes[256];
	__u16 next[SAKER_FILTER_STATES << SAKER_FILTER_CLASS_BITS];
};
