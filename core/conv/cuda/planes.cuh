// Planes of inputs and outputs, for kernels that do not sum over channels.
//
// Defined from outside: STORED and NUMBER, the types of inputs and of arithmetic.
#include "numbers.cuh"

// Distances are counted in numbers. `first_row` and `first_column` are those of the input that the
// first tap of the first output meets, and may be negative. Outputs are `images` times `channels`
// times `rows` times `columns`, contiguous.
struct Planes {
    long long x_image, x_channel, x_row, x_column;
    long long x_rows, x_columns, first_row, first_column;
    long long images, channels, channels_per_group, rows, columns;
};

// Where the inputs of a plane of outputs begin.
__device__ const STORED *inputs_of(const Planes &p, const STORED *__restrict__ x, int plane)
{
    const int image = plane / (int)p.channels, channel = plane % (int)p.channels;
    return x + image * p.x_image + channel / (int)p.channels_per_group * p.x_channel;
}

// An input, zero where there is none.
__device__ NUMBER input(
    const Planes &p, const STORED *__restrict__ plane, long long row, long long column)
{
    const bool exists = row >= 0 && row < p.x_rows && column >= 0 && column < p.x_columns;
    return exists ? number(plane[row * p.x_row + column * p.x_column]) : (NUMBER)0;
}
