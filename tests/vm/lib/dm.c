// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dm.h"

/* Refusals are what many tests are about: the library need not tell of them. */
static void be_silent(int level, const char *file, int line, int errno_or_class,
		      const char *format, ...)
{
	(void)level, (void)file, (void)line, (void)errno_or_class, (void)format;
}

void dm_setup(void)
{
	setenv("DM_DISABLE_UDEV", "1", 1);
	dm_log_with_errno_init(be_silent);
}

void dm_make_nodes(void)
{
	dm_mknodes(NULL);
	/* Until then they are only planned. */
	dm_task_update_nodes();
}

static struct dm_task *task_for(int type, const char *name)
{
	struct dm_task *task = dm_task_create(type);

	if (!task || !dm_task_set_name(task, name))
		abort();
	return task;
}

static int run(struct dm_task *task)
{
	if (dm_task_run(task))
		return 0;
	return dm_task_get_errno(task) ? -dm_task_get_errno(task) : -EPROTO;
}

static int run_and_destroy(struct dm_task *task)
{
	int r = run(task);

	dm_task_update_nodes();
	dm_task_destroy(task);
	return r;
}

static int simple(int type, const char *name)
{
	return run_and_destroy(task_for(type, name));
}

int dm_make(const char *name) { return simple(DM_DEVICE_CREATE, name); }
int dm_clear(const char *name) { return simple(DM_DEVICE_CLEAR, name); }
int dm_suspend(const char *name) { return simple(DM_DEVICE_SUSPEND, name); }
int dm_resume(const char *name) { return simple(DM_DEVICE_RESUME, name); }

static int load(const char *name, const char *table, bool read_only)
{
	struct dm_task *task = task_for(DM_DEVICE_RELOAD, name);
	char *copy = strdup(table), *save, *line;

	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long long start, length;
		char type[32];
		int at = 0;

		if (sscanf(line, "%llu %llu %31s %n", &start, &length, type, &at) != 3)
			abort();
		dm_task_add_target(task, start, length, type, line + at);
	}
	free(copy);
	if (read_only)
		dm_task_set_ro(task);
	return run_and_destroy(task);
}

int dm_load(const char *name, const char *table) { return load(name, table, false); }

int dm_remove(const char *name)
{
	int r = 0, tries;

	for (tries = 0; tries < 100; tries++) {
		r = simple(DM_DEVICE_REMOVE, name);
		if (r != -EBUSY)
			break;
		usleep(50000);
	}
	return r;
}

int dm_rename(const char *name, const char *new_name)
{
	struct dm_task *task = task_for(DM_DEVICE_RENAME, name);

	dm_task_set_newname(task, new_name);
	return run_and_destroy(task);
}

static int create(const char *name, const char *table, bool read_only)
{
	int r = dm_make(name);

	if (r)
		return r;
	r = load(name, table, read_only);
	if (!r)
		r = dm_resume(name);
	if (r)
		dm_remove(name);
	return r;
}

int dm_create(const char *name, const char *table) { return create(name, table, false); }

int dm_create_read_only(const char *name, const char *table)
{
	return create(name, table, true);
}

int dm_reload(const char *name, const char *table)
{
	int r = dm_load(name, table);

	if (!r)
		r = dm_suspend(name);
	return r ? r : dm_resume(name);
}

static int first_target(int type, const char *name, bool inactive, char *text, size_t size)
{
	struct dm_task *task = task_for(type, name);
	uint64_t start, length;
	char *target_type = NULL, *parameters = NULL;
	int r;

	if (inactive)
		dm_task_query_inactive_table(task);
	r = run(task);
	if (!r) {
		dm_get_next_target(task, NULL, &start, &length, &target_type, &parameters);
		snprintf(text, size, "%s", parameters ? parameters : "");
	}
	dm_task_destroy(task);
	return r;
}

int dm_status(const char *name, char *text, size_t size)
{
	return first_target(DM_DEVICE_STATUS, name, false, text, size);
}

int dm_table(const char *name, char *text, size_t size)
{
	return first_target(DM_DEVICE_TABLE, name, false, text, size);
}

int dm_inactive_status(const char *name, char *text, size_t size)
{
	return first_target(DM_DEVICE_STATUS, name, true, text, size);
}

int dm_inactive_table(const char *name, char *text, size_t size)
{
	return first_target(DM_DEVICE_TABLE, name, true, text, size);
}

int dm_message(const char *name, const char *message, char *answer, size_t size)
{
	struct dm_task *task = task_for(DM_DEVICE_TARGET_MSG, name);
	const char *response;
	int r;

	dm_task_set_sector(task, 0);
	dm_task_set_message(task, message);
	r = run(task);
	if (answer && size) {
		response = r ? NULL : dm_task_get_message_response(task);
		snprintf(answer, size, "%s", response ? response : "");
	}
	dm_task_destroy(task);
	return r;
}

static int info_of(const char *name, struct dm_info *info)
{
	struct dm_task *task = task_for(DM_DEVICE_INFO, name);
	int r = run(task);

	if (!r && !dm_task_get_info(task, info))
		r = -EPROTO;
	dm_task_destroy(task);
	return r;
}

uint32_t dm_event_nr(const char *name)
{
	struct dm_info info;

	return info_of(name, &info) ? 0 : info.event_nr;
}

int dm_open_count(const char *name)
{
	struct dm_info info;

	return info_of(name, &info) ? -1 : info.open_count;
}

int dm_wait_event(const char *name, uint32_t event_nr)
{
	struct dm_task *task = task_for(DM_DEVICE_WAITEVENT, name);

	dm_task_set_event_nr(task, event_nr);
	return run_and_destroy(task);
}

bool dm_depends_on(const char *name, uint64_t device)
{
	struct dm_task *task = task_for(DM_DEVICE_DEPS, name);
	struct dm_deps *deps;
	bool found = false;
	uint32_t i;

	if (!run(task) && (deps = dm_task_get_deps(task)))
		for (i = 0; i < deps->count; i++)
			found |= deps->device[i] == device;
	dm_task_destroy(task);
	return found;
}
