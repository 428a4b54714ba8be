const SHAPES = { model: { architecture: "small-cnn" }, options: { epochs: 6, batch: 32, validation: 0.2, schedule: { schedule: "cosine", rate: 0.003 } } };

/**
 * What a job of each kind can be tried on: files that come with the page, by where in the body they
 * are named, and what the body says beside the defaults.
 */
export const SAMPLES = {
  convolve: { files: { inputs: ["coffee.jpg"] }, body: { kernel: { preset: "sobel-x" }, range: "signed" } },
  train: {
    files: { data: "shapes.npz" },
    body: SHAPES,
    model: "shapes",
  },
  sweep: { files: { "train.data": "shapes.npz" }, body: { train: { kind: "train", ...SHAPES }, vary: { "options.schedule.rate": [0.0003, 0.003, 0.03] } } },
  predict: { files: { inputs: ["triangle.png"] }, body: { model: "shapes" }, needs: "shapes" },
  spectrum: { files: { inputs: ["turned.jpg"] }, body: { deskew: true } },
  "frequency-filter": { files: { inputs: ["screened.jpg"] }, body: { band: "notch", shape: "gaussian", cutoff: 0.01, notches: [[0.09, 0.17]] } },
  diffuse: { files: { inputs: ["noisy.jpg"] }, body: { method: "perona-malik", time: 40, edge: 10, smooth: 1, frames: 20 } },
  match: { files: { inputs: ["coins.jpg"], template: "coin.png" }, body: { scales: [0.8, 0.9, 1, 1.1, 1.25], threshold: 0.5 } },
  "stochastic-convolve": { files: { inputs: ["camera.jpg"] }, body: { kernel: { preset: "gaussian", sigma: 4 }, samples: 16 } },
  series: { files: { inputs: ["swinging.npy"] }, body: { method: "arima", ar: 2, horizon: 40 } },
  deconvolve: { files: { inputs: ["blurred.png"] }, body: { kernel: { preset: "gaussian", sigma: 2 }, noise: 0.002 } },
  "irregular-convolve": { files: { inputs: ["uneven.npy"] }, body: { kernel: { values: [[0, 0], [0.4, 1], [1.1, 0.4], [3, 0]] } } },
  video: { files: { inputs: ["passing.npy"] }, body: { kernel: { values: [[[-1]], [[0]], [[1]]] }, over: "volume" } },
  explain: { files: { inputs: ["camera.jpg"] }, body: { kernel: { preset: "sobel-x" } } },
};

/** Kinds of which a picture comes with the page. */
export const PICTURED = new Set(["convolve", "train", "spectrum", "frequency-filter", "diffuse", "match", "stochastic-convolve", "series", "deconvolve", "irregular-convolve", "video", "explain"]);

export const asset = (name) => `/ui/gallery/${name}`;
