// SPDX-License-Identifier: GPL-2.0
/*
 * Does on request what a debug kernel must report: so that a kernel that reports nothing is not
 * taken for a module that does nothing wrong. Loading it with `wrong=NAME` does it, once.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

static char *wrong = "";
module_param(wrong, charp, 0);

static DEFINE_SPINLOCK(spinlock);
static DEFINE_MUTEX(one);
static DEFINE_MUTEX(other);
static int counter;

static void use_after_free(void)
{
	int *number = kmalloc(sizeof(*number), GFP_KERNEL);

	kfree(number);
	WRITE_ONCE(*number, 1);
}

static void out_of_bounds(void)
{
	char *text = kmalloc(10, GFP_KERNEL);

	WRITE_ONCE(text[10], 0);
	kfree(text);
}

static void undefined(void)
{
	int shift = 40;

	OPTIMIZER_HIDE_VAR(shift);
	counter = 1 << shift;
}

static void leak(void)
{
	unsigned int i;

	/* More than one: a stale copy of a pointer may hide it. */
	for (i = 0; i < 16; i++)
		memset(kmalloc(200, GFP_KERNEL), 0, 200);
}

static void sleep_in_atomic(void)
{
	spin_lock(&spinlock);
	mutex_lock(&one);
	mutex_unlock(&one);
	spin_unlock(&spinlock);
}

static void lock_inversion(void)
{
	mutex_lock(&one);
	mutex_lock(&other);
	mutex_unlock(&other);
	mutex_unlock(&one);
	mutex_lock(&other);
	mutex_lock(&one);
	mutex_unlock(&one);
	mutex_unlock(&other);
}

static int racer(void *unused)
{
	unsigned int i;

	for (i = 0; i < 500000; i++) {
		counter++;
		barrier();
		if (!(i % 100000))
			cond_resched();
	}
	while (!kthread_should_stop())
		msleep(10);
	return 0;
}

static void race(void)
{
	struct task_struct *first = kthread_run(racer, NULL, "racer/1");
	struct task_struct *second = kthread_run(racer, NULL, "racer/2");

	msleep(5000);
	kthread_stop(first);
	kthread_stop(second);
}

static const struct {
	const char *name;
	void (*act)(void);
} acts[] = {
	{ "use_after_free", use_after_free },
	{ "out_of_bounds", out_of_bounds },
	{ "undefined", undefined },
	{ "leak", leak },
	{ "sleep_in_atomic", sleep_in_atomic },
	{ "lock_inversion", lock_inversion },
	{ "race", race },
};

static int __init complain_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(acts); i++)
		if (!strcmp(acts[i].name, wrong))
			acts[i].act();
	return 0;
}

static void __exit complain_exit(void)
{
}

module_init(complain_init);
module_exit(complain_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("What a debug kernel must report");
