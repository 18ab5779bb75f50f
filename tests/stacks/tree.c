// SPDX-License-Identifier: GPL-2.0
/*
 * Works on a tree of files, and knows every byte of it: what the files should hold is kept in memory.
 *   tree DIRECTORY SECONDS PAUSE_MS
 * For SECONDS it creates, writes, appends, truncates, punches, renames, removes, syncs, reads and
 * compares, with a pause after each. Then it says "worked", and for each line on standard input it
 * compares the whole tree and says "right": the tree may have been unmounted in between.
 * Whatever fails or differs ends it with status 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILES 600
#define DIRECTORIES 16
#define FILE_BYTES (1024 * 1024)
#define TREE_BYTES (64 * 1024 * 1024)
#define DIRECT_BYTES 4096

struct file {
	bool exists;
	unsigned int directory, name;
	size_t size;
	unsigned char *bytes; /* FILE_BYTES, beyond size zeros */
};

static struct file files[FILES];
static unsigned int next_name, found;
static size_t tree_bytes;
static unsigned long operations, compared_bytes;
static unsigned char buffer[FILE_BYTES + 1] __attribute__((aligned(DIRECT_BYTES)));

static void fail(const char *what, const struct file *file)
{
	printf("FAILED: %s d%u/f%u of %zu bytes: %s\n", what, file->directory, file->name, file->size,
	       strerror(errno));
	exit(1);
}

static uint64_t state = 1;

static uint64_t random64(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static size_t below(size_t limit) { return limit ? random64() % limit : 0; }

/* Most files are small. */
static size_t random_size(void) { return 1 + below((size_t)1 << (9 + below(12))); }

static void random_bytes(unsigned char *to, size_t count)
{
	uint64_t x;

	for (; count >= sizeof(x); count -= sizeof(x), to += sizeof(x)) {
		x = random64();
		memcpy(to, &x, sizeof(x));
	}
	x = random64();
	memcpy(to, &x, count);
}

static const char *path_of(const struct file *file)
{
	static char path[64];

	snprintf(path, sizeof(path), "d%u/f%u", file->directory, file->name);
	return path;
}

static int open_file(const struct file *file, int flags)
{
	int fd = open(path_of(file), flags, 0644);

	if (fd < 0)
		fail("open", file);
	return fd;
}

static void close_file(const struct file *file, int fd)
{
	if (!below(6) && fsync(fd))
		fail("fsync", file);
	if (close(fd))
		fail("close", file);
}

static void set_size(struct file *file, size_t size)
{
	if (size < file->size)
		memset(file->bytes + size, 0, file->size - size);
	tree_bytes += size - file->size;
	file->size = size;
}

/* Some writes go past the cache and some through a mapping, where they can. */
static void write_range(struct file *file, size_t offset, size_t count)
{
	bool direct = offset % DIRECT_BYTES == 0 && count % DIRECT_BYTES == 0 && below(2);
	bool mapped = !direct && offset + count <= file->size && count && !below(3);
	int fd = open_file(file, O_RDWR | (direct ? O_DIRECT : 0));
	unsigned char *map;

	random_bytes(buffer, count);
	if (mapped) {
		map = mmap(NULL, offset + count, PROT_WRITE, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			fail("mmap", file);
		memcpy(map + offset, buffer, count);
		munmap(map, offset + count);
	} else if (pwrite(fd, buffer, count, offset) != (ssize_t)count) {
		fail(direct ? "direct write" : "write", file);
	}
	if (offset + count > file->size)
		set_size(file, offset + count);
	memcpy(file->bytes + offset, buffer, count);
	close_file(file, fd);
}

static void create(struct file *file)
{
	size_t size = random_size();

	if (tree_bytes + size > TREE_BYTES)
		return;
	file->directory = below(DIRECTORIES);
	file->name = next_name++;
	file->exists = true;
	close_file(file, open_file(file, O_CREAT | O_EXCL | O_WRONLY));
	write_range(file, 0, size);
}

static void overwrite(struct file *file)
{
	size_t offset = below(file->size), count;

	if (below(2))
		offset -= offset % DIRECT_BYTES;
	count = random_size();
	if (below(2))
		count = (count + DIRECT_BYTES - 1) / DIRECT_BYTES * DIRECT_BYTES;
	if (offset + count > FILE_BYTES)
		count = FILE_BYTES - offset;
	write_range(file, offset, count);
}

static void append(struct file *file)
{
	size_t count = random_size();

	if (file->size + count <= FILE_BYTES && tree_bytes + count <= TREE_BYTES)
		write_range(file, file->size, count);
}

static void resize(struct file *file)
{
	size_t size = below(2) ? below(file->size) : file->size + below(FILE_BYTES - file->size);

	if (truncate(path_of(file), size))
		fail("truncate", file);
	set_size(file, size);
}

static void punch(struct file *file)
{
	size_t offset = below(file->size), count = 1 + below(file->size - offset);
	int fd;

	if (offset >= file->size)
		return;
	fd = open_file(file, O_WRONLY);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, count))
		fail("punch", file);
	memset(file->bytes + offset, 0, count);
	close_file(file, fd);
}

static void rename_file(struct file *file)
{
	struct file to = *file, *over = &files[below(FILES)];
	char from_path[64];

	to.directory = below(DIRECTORIES);
	to.name = next_name++;
	if (over != file && over->exists && !below(3)) {
		to.directory = over->directory;
		to.name = over->name;
		over->exists = false;
		set_size(over, 0);
	}
	strcpy(from_path, path_of(file));
	if (rename(from_path, path_of(&to)))
		fail("rename", file);
	*file = to;
}

static void remove_file(struct file *file)
{
	if (unlink(path_of(file)))
		fail("unlink", file);
	file->exists = false;
	set_size(file, 0);
}

/* From the disk, unless its pages are dirty. */
static void compare(struct file *file)
{
	int fd = open_file(file, O_RDONLY);
	ssize_t got;

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	got = pread(fd, buffer, sizeof(buffer), 0);
	if (got < 0)
		fail("read", file);
	errno = 0;
	if ((size_t)got != file->size)
		fail("size", file);
	if (memcmp(buffer, file->bytes, got))
		fail("wrong bytes in", file);
	compared_bytes += got;
	close(fd);
}

static void operate(void)
{
	static void (*const on_existing[])(struct file *) = {
		overwrite, overwrite, append, append, resize, punch, rename_file, remove_file, compare, compare,
	};
	struct file *file = &files[below(FILES)];

	operations++;
	if (!file->exists)
		create(file);
	else
		on_existing[below(sizeof(on_existing) / sizeof(*on_existing))](file);
}

static int count_file(const char *path, const struct stat *stat, int type)
{
	(void)path;
	(void)stat;
	found += type == FTW_F;
	return 0;
}

/* Every file is there with every byte, and no others. */
/* The number of files. */
static unsigned int compare_all(void)
{
	unsigned int i, count = 0;

	for (i = 0; i < FILES; i++) {
		if (!files[i].exists)
			continue;
		compare(&files[i]);
		count++;
	}
	found = 0;
	if (ftw(".", count_file, 16) || found != count) {
		printf("FAILED: %u files, not %u\n", found, count);
		exit(1);
	}
	return count;
}

int main(int argc, char **argv)
{
	char line[16], name[16];
	time_t end;
	unsigned int i, pause_us;

	setlinebuf(stdout);
	if (argc != 4 || chdir(argv[1]))
		return 2;
	end = time(NULL) + atoi(argv[2]);
	pause_us = 1000 * atoi(argv[3]);
	for (i = 0; i < DIRECTORIES; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		mkdir(name, 0755);
	}
	for (i = 0; i < FILES; i++)
		files[i].bytes = calloc(1, FILE_BYTES);
	for (; time(NULL) < end; usleep(pause_us))
		operate();
	/* The directory must not be held while it is unmounted. */
	if (chdir("/"))
		return 2;
	printf("worked: %lu operations, %lu bytes compared\n", operations, compared_bytes);
	while (fgets(line, sizeof(line), stdin)) {
		if (chdir(argv[1]))
			return 2;
		i = compare_all();
		/* Not after it is said: then it may be unmounted at once. */
		if (chdir("/"))
			return 2;
		printf("right: %u files, %zu bytes\n", i, tree_bytes);
	}
	return 0;
}
