/* Opens files in every way a path can be typed. Arguments: an empty folder, a seed, how many opens.
 * The same arguments give the same opens, but where it races with itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long state;
static char top[512], deep[4096], longest[256];
static volatile int done;

static unsigned pick(unsigned below)
{
	state = state * 6364136223846793005ul + 1442695040888963407ul;
	return (state >> 33) % below;
}

static const char *words[] = {"a", "bin", "secret", "data.txt", "x\xff\xfe", "..c", "secret.d", "log"};
#define WORD words[pick(8)]
#define LEVELS 18

static void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	if (fd >= 0)
		close(fd);
}

static void build(void)
{
	char path[4096];
	for (int i = 0; i < 8; i++) {
		snprintf(path, sizeof path, "%s/%s", top, words[i]);
		if (i % 2 == 0) {
			mkdir(path, 0700);
			for (int j = 0; j < 8; j++) {
				snprintf(path, sizeof path, "%s/%s/%s", top, words[i], words[j]);
				touch(path);
			}
		} else {
			touch(path);
		}
	}
	if (chdir(top))
		exit(2);
	if (symlink("secret.d", "link") || symlink("/etc/hostname", "away") || link("data.txt", "hard"))
		exit(2);
	memset(longest, 'n', 200);
	touch(longest);
	strcpy(deep, top);
	for (int i = 0; i < 40; i++) {
		strcat(deep, i % 2 ? "/down" : "/longer-name-of-a-folder");
		mkdir(deep, 0700);
	}
	strcat(deep, "/secret");
	touch(deep);
	strcpy(path, top);
	for (int i = 0; i < LEVELS; i++) {
		strcat(path, "/s");
		mkdir(path, 0700);
		for (int j = 0; j < 8; j++) {
			char file[4200];
			snprintf(file, sizeof file, "%s/%s", path, words[j]);
			touch(file);
		}
	}
	mkdir("flip-a", 0700);
	touch("flip-a/victim");
	mkdir("bound", 0700);
}

/* A file below so many folders: some more than are looked at. */
static void type_level(char *path, size_t size)
{
	int levels = 1 + pick(LEVELS);
	strcpy(path, top);
	while (levels--)
		strcat(path, "/s");
	snprintf(path + strlen(path), size - strlen(path), "/%s", WORD);
}

static void type(char *path, size_t size)
{
	switch (pick(15)) {
	case 13: type_level(path, size); break;
	case 0: snprintf(path, size, "%s/%s/%s", top, WORD, WORD); break;
	case 1: snprintf(path, size, "%s/%s", top, WORD); break;
	case 2: snprintf(path, size, "%s", WORD); break;
	case 3: snprintf(path, size, "%s/%s", WORD, WORD); break;
	case 4: snprintf(path, size, "./%s//%s", WORD, WORD); break;
	case 5: snprintf(path, size, "%s/../%s", WORD, WORD); break;
	case 6: snprintf(path, size, "%s/%s/.././../%s", top, WORD, WORD); break;
	case 7: snprintf(path, size, "link/%s", WORD); break;
	case 8: snprintf(path, size, "%s/link/%s", top, WORD); break;
	case 9: snprintf(path, size, "%s", pick(2) ? "away" : "hard"); break;
	case 10: snprintf(path, size, "%s", pick(2) ? longest : deep); break;
	case 11: snprintf(path, size, "/proc/self/cwd/%s", WORD); break;
	case 12: snprintf(path, size, "%s", pick(2) ? "." : "/"); break;
	default: snprintf(path, size, "bound/%s", WORD); break;
	}
}

static void opens(int count)
{
	static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_DIRECTORY, O_WRONLY | O_CREAT,
				    O_WRONLY | O_TRUNC, O_PATH, O_RDONLY | O_NOFOLLOW};
	char path[4200];
	int folder = open("secret.d", O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < count; i++) {
		type(path, sizeof path);
		static const int modes[] = {0600, 0755, 04755, 02600};
		int how = flags[pick(8)], mode = modes[pick(4)], fd = -1;
		struct { unsigned long long flags, mode, resolve; } how2 = {how, how & O_CREAT ? mode : 0, 0};
		switch (pick(4)) {
		case 0: fd = syscall(SYS_openat, AT_FDCWD, path, how, mode); break;
		case 1: fd = syscall(SYS_openat, folder, path, how, mode); break;
		case 2: fd = syscall(SYS_openat2, pick(2) ? folder : AT_FDCWD, path, &how2, sizeof how2); break;
#ifdef SYS_open
		default: fd = syscall(SYS_open, path, how, mode); break;
#endif
		}
		if (fd >= 0)
			close(fd);
	}
	close(folder);
}

static void *flip(void *unused)
{
	while (!done) {
		rename("flip-a", "flip-b");
		rename("flip-b", "flip-a");
	}
	return unused;
}

/* Opens by a descriptor of a folder while that is renamed again and again. */
static void race(int count)
{
	pthread_t thread;
	int folder = open("flip-a", O_RDONLY | O_DIRECTORY);
	if (folder < 0 || pthread_create(&thread, NULL, flip, NULL))
		exit(3);
	for (int i = 0; i < count; i++) {
		int fd = openat(folder, "victim", O_RDONLY);
		if (fd < 0)
			exit(4);
		close(fd);
	}
	done = 1;
	pthread_join(thread, NULL);
	close(folder);
}

static void in_child(void (*enter)(void), int count)
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		enter();
		opens(count);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		exit(5);
}

static void enter_chroot(void)
{
	if (chroot(top) || chdir("/"))
		_exit(6);
}

static void enter_chroot_outside(void)
{
	if (chroot("secret.d"))
		_exit(7);
}

static void enter_mounts(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("secret.d", "bound", NULL, MS_BIND, NULL) || mount(top, "a", NULL, MS_BIND, NULL))
		_exit(8);
}

static void enter_deleted(void)
{
	if (mkdir("gone", 0700) || chdir("gone") || rmdir("../gone"))
		_exit(9);
}

int main(int count, char **arguments)
{
	if (count != 4)
		return 1;
	snprintf(top, sizeof top, "%s", arguments[1]);
	state = atol(arguments[2]);
	int each = atoi(arguments[3]);
	build();
	opens(each);
	in_child(enter_chroot, each / 4);
	in_child(enter_chroot_outside, each / 4);
	in_child(enter_mounts, each / 4);
	in_child(enter_deleted, each / 4);
	race(each / 4);
	return 0;
}
