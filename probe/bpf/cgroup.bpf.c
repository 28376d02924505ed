/* Cgroups made and removed: a container is known before anything runs in it. */
#include "record.h"

/* `path` is the kernel's own text of where the cgroup is in its hierarchy. */
static __always_inline int tell_cgroup(u32 kind, struct cgroup *cgroup, const char *path)
{
	struct scratch *s = begin(kind, current_task(), sizeof(struct saker_cgroup));
	if (!s)
		return 0;
	struct saker_cgroup *e = body_of(s);
	e->id = BPF_CORE_READ(cgroup, kn, id);
	e->level = BPF_CORE_READ(cgroup, level);
	e->reserved = 0;
	put_kernel_text(s, SAKER_FIELD_CGROUP, path);
	send(s, &prio, kind);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(cgroup_made, struct cgroup *cgroup, const char *path)
{
	return tell_cgroup(SAKER_CGROUP_MADE, cgroup, path);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(cgroup_removed, struct cgroup *cgroup, const char *path)
{
	return tell_cgroup(SAKER_CGROUP_REMOVED, cgroup, path);
}
