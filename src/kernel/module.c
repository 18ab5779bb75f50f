// SPDX-License-Identifier: GPL-2.0
/*
 * The module: its parameters, and the registration of the target.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "events.h"
#include "log.h"
#include "target.h"

unsigned int dmr_debug_level;

static int dmr_debug_level_set(const char *text, const struct kernel_param *param)
{
	return param_set_uint_minmax(text, param, 0, DMR_DEBUG_LEVEL_MAX);
}

static const struct kernel_param_ops dmr_debug_level_ops = {
	.set = dmr_debug_level_set,
	.get = param_get_uint,
};

module_param_cb(debug_level, &dmr_debug_level_ops, &dmr_debug_level, 0644);
MODULE_PARM_DESC(debug_level, "what is told in the kernel log, 0 (default) to 3");

static int __init dmr_module_init(void)
{
	int r;

	r = dmr_events_module_init();
	if (r)
		return r;
	r = dm_register_target(&dmr_target_type);
	if (r)
		dmr_events_module_exit();
	return r;
}

static void __exit dmr_module_exit(void)
{
	dm_unregister_target(&dmr_target_type);
	dmr_events_module_exit();
}

module_init(dmr_module_init);
module_exit(dmr_module_exit);

MODULE_DESCRIPTION("device-mapper target that redirects failing sectors to a spare device");
MODULE_AUTHOR("The dm-remap authors");
MODULE_LICENSE("GPL");
MODULE_VERSION("4.0.0");
MODULE_ALIAS("dm-remap");
