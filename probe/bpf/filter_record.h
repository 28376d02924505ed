/* Drops opens and other calls that no rule wants by their finished record, from the very bytes that user
 * space would read: opens that the short way leaves undecided, all of kernels that know no short way, and
 * calls that are told apart by their paths and descriptors. */
#pragma once
#include "filter_call.h"

#define FIELDS_MAX 3    /* of an open: the path, what was typed, where that starts */
#define ALIKE_WORDS 16
#define CALL_FIELDS_MAX 8

/* Finds the texts of an open's record. */
static __always_inline void find_paths(struct scratch *s)
{
	struct findings *found = &s->found;
	u64 at = sizeof(struct saker_header) + sizeof(struct saker_open);
	__builtin_memset(found, 0, sizeof(*found));
#pragma unroll
	for (u32 i = 0; i < FIELDS_MAX; i++) {
		CLAMP(at, RECORD_BYTES_MAX - sizeof(struct saker_field));
		struct saker_field *field = (void *)s->data + at;
		struct told told = { .at = at + sizeof(*field), .length = field->length };
		if (at >= s->length)
			break;
		switch (field->type) {
		case SAKER_FIELD_PATH:
			found->path = told;
			found->has_path = 1;
			break;
		case SAKER_FIELD_RAW:
			found->raw = told;
			break;
		case SAKER_FIELD_BASE:
			found->base = told;
			found->has_base = 1;
			break;
		}
		at += sizeof(*field) + told.length;
	}
}

/* Returns where a text of the record begins; PATH_BYTES can be read there. */
static __always_inline const u8 *text_at(struct scratch *s, u64 at)
{
	CLAMP(at, RECORD_BYTES_MAX - PATH_BYTES);
	return s->data + at;
}

/* Returns whether two texts of the record are the same, if they are short. */
__noinline int alike(struct scratch *s, u64 one_at, u64 other_at, u64 length)
{
	if (!s)
		return 0;
	const u8 *one = text_at(s, one_at), *other = text_at(s, other_at);
	u64 differ = 0;
	if (length > 8 * ALIKE_WORDS)
		return 0;
	for (u32 i = 0; i < ALIKE_WORDS; i++) {
		if (8 * i >= length)
			break;
		u64 left = length - 8 * i, word = *(u64 *)(one + 8 * i) ^ *(u64 *)(other + 8 * i);
		differ |= left < 8 ? word << (64 - 8 * left) : word;
	}
	return !differ;
}

/* Returns whether what was typed, with where it starts, is the path of the file: then it adds nothing. */
static __always_inline int typed_is_path(struct scratch *s)
{
	const struct findings *found = &s->found;
	const struct told *path = &found->path, *raw = &found->raw, *base = &found->base;
	if (!found->has_path || !raw->length)
		return 0;
	if (!found->has_base)
		return path->length == raw->length && alike(s, path->at, raw->at, raw->length);
	return path->length == base->length + 1 + raw->length &&
	       alike(s, path->at + base->length + 1, raw->at, raw->length) &&
	       alike(s, path->at, base->at, base->length) && *text_at(s, path->at + base->length) == '/';
}

/* Takes a text of the record into the reading that has begun. Returns 0 if it is read: not if the filter was
 * taken out of force meanwhile. Another one is not put in its place before this has ended. Looked at once by
 * verifiers, like all that is not static: there are several texts. */
__noinline int read_told(struct scratch *s, u64 at, u64 length)
{
	struct sieve sieve;
	if (!s || !sieve_for(&sieve, header_of(s)->kind))
		return -1;
	struct reading r = { .filter = sieve.filter, .text = s->path, .so_far = &s->progress };
	CLAMP(length, PATH_BYTES);
	bpf_probe_read_kernel(s->path, length, text_at(s, at));
	read_text(&r, length);
	return 0;
}

/* Joins what a path adds. Returns 0 if it is read. */
static __always_inline int join_path(struct scratch *s, const struct sieve *sieve, const struct told *path,
				     struct saker_mask *possible)
{
	struct reading r;
	begin_reading(&r, sieve, &s->progress, s->path, 0);
	if (read_told(s, path->at, path->length))
		return -1;
	join(possible, end_reading(&r));
	return 0;
}

/* Joins what the full path adds that was typed: read from its end, so what it starts at comes last. */
static __always_inline int join_typed(struct scratch *s, const struct sieve *sieve, struct saker_mask *possible)
{
	const struct findings *found = &s->found;
	struct reading r;
	begin_reading(&r, sieve, &s->progress, s->path, 1);
	if (read_told(s, found->raw.at, found->raw.length))
		return -1;
	if (found->has_base) {
		feed_slash(&r);
		if (read_told(s, found->base.at, found->base.length))
			return -1;
	}
	join(possible, end_reading(&r));
	return 0;
}

/* Joins what was typed adds as it is. */
static __always_inline int join_as_typed(struct scratch *s, const struct sieve *sieve, struct saker_mask *possible)
{
	struct reading r;
	begin_reading(&r, sieve, &s->progress, s->path, 0);
	s->progress.as_typed = 1;
	if (read_told(s, s->found.raw.at, s->found.raw.length))
		return -1;
	join(possible, end_reading(&r));
	return 0;
}

/* Narrows by the texts of an open. Returns 0 if all of them are there. */
static __always_inline int narrow_by_told(struct scratch *s, struct sieve *sieve, u32 opened)
{
	const struct findings *found = &s->found;
	u64 dimensions = sieve->program->dimensions;
	find_paths(s);
	u32 relative = *text_at(s, found->raw.at) != '/';
	if (!found->raw.length || relative != found->has_base || found->has_path != opened)
		return -1;
	if (dimensions & SAKER_BY_PATH) {
		struct saker_mask possible = sieve->program->quiet;
		if (opened && join_path(s, sieve, &found->path, &possible))
			return -1;
		if (!typed_is_path(s) && join_typed(s, sieve, &possible))
			return -1;
		narrow(sieve, &possible);
	}
	if (dimensions & SAKER_BY_TYPED && !empty(&sieve->left)) {
		struct saker_mask possible = sieve->program->quiet_typed;
		if (join_as_typed(s, sieve, &possible))
			return -1;
		narrow(sieve, &possible);
	}
	return 0;
}

/* Returns whether this is a file that rules name by its full path. */
static __always_inline int tells_known(const struct saker_open *e)
{
	u64 number = e->inode;
	u32 place = number & (SAKER_KNOWN_PLACES - 1);
	struct saker_known_file *known = bpf_map_lookup_elem(&known_files, &place);
	if (!known || !known->device)
		return 0;
	return known->device == SAKER_KNOWN_SEVERAL ||
	       (known->inode == number && user_device(known->device) == e->device);
}

/* Returns whether no rule can match the open this record tells of. */
__noinline int unwanted_record(struct scratch *s)
{
	if (!s)
		return 0;
	struct saker_header *h = header_of(s);
	struct saker_open *e = body_of(s);
	u32 opened = h->result >= 0, flags = e->flags;
	u64 descriptor = SAKER_DESCRIPTOR_ABSENT;
	struct sieve sieve;
	if (h->flags & (SAKER_TRUNCATED | SAKER_FAULT | SAKER_UNREACHABLE | SAKER_NO_FILE) ||
	    !sieve_for(&sieve, h->kind))
		return 0;
	if (sieve.program->dimensions & SAKER_BY_RESULT)
		narrow_by_range(&sieve, &sieve.program->result, h->result);
	if (sieve.program->dimensions & SAKER_BY_USER)
		narrow_by_range(&sieve, &sieve.program->user, h->uid);
	if (opened) {
		if (tells_known(e))
			return 0;
		flags = (flags & ~3) | (e->opened_flags & (3 | O_PATH));
		descriptor = descriptor_of(e->mode);
	}
	narrow_by_open(&sieve, flags, e->create_mode, descriptor);
	return !empty(&sieve.left) && narrow_by_told(s, &sieve, opened) ? 0 : empty(&sieve.left);
}

/* Ends the record of an open: it is sent, unless no rule wants it. */
static __always_inline void end_opened(struct scratch *s, u32 kind)
{
	if (saker_filtering && saker_generation && unwanted_record(s))
		drop(s, kind);
	else
		send(s, &bulk, kind);
}

/* Looks at the next field of a call's record, and joins what its path adds. Returns 0 behind the last. */
static __noinline int look_at_field(struct scratch *s, const struct sieve *sieve, struct saker_mask *possible)
{
	struct findings *found = &s->found;
	u64 at = found->at;
	CLAMP(at, RECORD_BYTES_MAX - sizeof(struct saker_field));
	if (at >= s->length)
		return 0;
	struct saker_field *field = (void *)s->data + at;
	struct told told = { .at = at + sizeof(*field), .length = field->length };
	u32 type = field->type;
	u8 first = *text_at(s, told.at);
	u64 next = told.at + told.length;
	found->at = next;
	switch (type & 0xff) {
	case SAKER_FIELD_PATH:
		/* Of pipes and the like user space tells no name. */
		found->in_tree = first == '/';
		found->has_path = 1;
		if (!found->in_tree)
			told.length = 0;
		if (first == 'm')
			found->unread = 1;
		if (sieve->program->dimensions & SAKER_BY_PATH && join_path(s, sieve, &told, possible))
			found->unread = 1;
		break;
	case SAKER_FIELD_RAW:
		CLAMP(next, RECORD_BYTES_MAX - sizeof(struct saker_field));
		field = (void *)s->data + next;
		found->raw = told;
		found->has_base = next < s->length && field->type == (SAKER_FIELD_BASE | (type & 0xff00));
		found->base.at = next + sizeof(*field);
		found->base.length = field->length;
		if (!told.length || (first != '/') != found->has_base)
			found->unread = 1;
		if (sieve->program->dimensions & SAKER_BY_PATH && join_typed(s, sieve, possible))
			found->unread = 1;
		break;
	case SAKER_FIELD_DESCRIPTOR:
		found->descriptor_at = told.at;
		break;
	case SAKER_FIELD_TEXT:
	case SAKER_FIELD_UNIX:
		found->unread = 1;
		break;
	}
	return 1;
}

/* Narrows by what the descriptor of a call stands for. */
static __always_inline void narrow_by_descriptor(struct scratch *s, struct sieve *sieve)
{
	const struct saker_mask *masks = sieve->program->descriptor;
	u64 at = s->found.descriptor_at;
	CLAMP(at, RECORD_BYTES_MAX - sizeof(struct saker_descriptor));
	struct saker_descriptor *d = (void *)s->data + at;
	struct saker_mask either = masks[SAKER_DESCRIPTOR_IPV4];
	u32 mode = d->mode, family = d->family;
	switch (mode & S_IFMT) {
	case S_IFSOCK:
		join(&either, masks[SAKER_DESCRIPTOR_IPV6]);
		if (family == AF_INET || family == AF_INET6)
			narrow(sieve, &either);
		else if (family == AF_UNIX)
			narrow(sieve, &masks[SAKER_DESCRIPTOR_UNIX]);
		s->found.unread = 1;
		return;
	case 0040000:
		narrow(sieve, &masks[SAKER_DESCRIPTOR_DIRECTORY]);
		break;
	case 0010000:
		narrow(sieve, &masks[SAKER_DESCRIPTOR_PIPE]);
		break;
	default:
		/* What has no place in a tree is told apart by its name. */
		if (s->found.in_tree)
			narrow(sieve, &masks[SAKER_DESCRIPTOR_FILE]);
	}
	if (!s->found.has_path)
		s->found.unread = 1;
}

/* Returns whether no rule can match the call this record tells of. */
__noinline int unwanted_call(struct scratch *s)
{
	struct sieve sieve;
	if (!s)
		return 0;
	struct saker_header *h = header_of(s);
	struct findings *found = &s->found;
	if (h->flags & (SAKER_TRUNCATED | SAKER_FAULT | SAKER_NO_FILE) || !sieve_for(&sieve, h->kind) ||
	    !(sieve.program->dimensions & (SAKER_BY_PATH | SAKER_BY_DESCRIPTOR)))
		return 0;
	struct saker_mask possible = sieve.program->quiet;
	struct saker_call *e = body_of(s);
	narrow_by_numbers(&sieve, h->result, h->uid, e->arguments);
	__builtin_memset(found, 0, sizeof(*found));
	found->at = sizeof(struct saker_header) + sizeof(struct saker_call);
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < CALL_FIELDS_MAX; i++) {
		if (!look_at_field(s, &sieve, &possible))
			break;
	}
	if (found->at < s->length)
		return 0;
	if (sieve.program->dimensions & SAKER_BY_DESCRIPTOR && found->descriptor_at)
		narrow_by_descriptor(s, &sieve);
	if (sieve.program->dimensions & SAKER_BY_PATH && !found->unread)
		narrow(&sieve, &possible);
	return empty(&sieve.left);
}

/* Ends the record of a call: it is sent, unless no rule wants it. */
static __always_inline void end_told(struct scratch *s, u32 kind)
{
	if (saker_filtering && saker_generation && unwanted_call(s))
		drop(s, kind);
	else
		send(s, &bulk, kind);
}
