/* The whole probe: one object, so that all programs share its maps. */
#include "process.bpf.c"
#include "cgroup.bpf.c"
#include "file.bpf.c"
#include "io_uring.bpf.c"
#include "ring.bpf.c"
#include "trampoline.bpf.c"

char saker_license[] SEC("license") = "Dual BSD/GPL";
