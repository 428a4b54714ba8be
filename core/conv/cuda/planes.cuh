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

// How many of `count` places are before `end`.
__device__ int clamped(long long end, int count)
{
    return end < 0 ? 0 : end < count ? (int)end : count;
}

// What exists of a tile.
struct Part {
    int top, bottom, left, right;
    __device__ bool has(int row, int column) const
    {
        return row >= top && row < bottom && column >= left && column < right;
    }
    __device__ bool is_all(int rows, int columns) const
    {
        return has(0, 0) && has(rows - 1, columns - 1);
    }
};
