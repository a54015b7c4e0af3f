# The scores of one case of bench/salvage.
# SPDX-License-Identifier: MIT

function show(name, right, all, harm)
{
    printf "  %-9s ", name
    if (right == "-")
        printf "cannot open images of this geometry"
    else
        printf "%8.3f %%  (%d of %d sectors)", 100 * right / all, right, all
    if (harm > 0)
        printf ", %d that read right before do no longer", harm
    printf "\n"
}

{
    show("found", $4, $5, 0)
    show("QEMU", $8, $9, $10)
    show("qedtool", $11, $12, $13)
    show("best", $6, $7, 0)
}
