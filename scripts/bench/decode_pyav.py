"""PyAV twin of the clip decoding that scripts/bench/decode.ts times.

Reads one request per line on standard input (JSON: path, frames, box [x, y, width, height], size, way) and answers
one line (JSON: seconds of CPU time, decoded frames, peak memory in MiB). One codec thread, seek to the keyframe before
the clip, pictures made only for the wanted frames, stop at the last of them. Two ways of making the picture:
`reformat`, the library's own call (it cannot crop: the whole frame is scaled and the crop cut out of it), and
`filters`, a libavfilter graph that crops first (the fastest there is in PyAV).
"""

import json
import resource
import sys
import time

import av
import numpy as np


def read_clip(path, wanted, box, size, way):
    clip = np.empty((len(wanted), size, size, 3), np.uint8)
    decoded = 0
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        rate = float(stream.average_rate)
        base = float(stream.time_base)
        first = stream.start_time or 0
        if wanted[0] > 0:
            container.seek(int(first + wanted[0] / rate / base), stream=stream, backward=True)
        graph = None
        slots = {}
        for slot, frame in enumerate(wanted):
            slots.setdefault(frame, []).append(slot)
        last = wanted[-1]
        filled = 0
        for frame in container.decode(stream):
            decoded += 1
            index = round((frame.pts - first) * base * rate)
            if index in slots:
                if way == "filters" and graph is None:
                    graph = av.filter.Graph()
                    source = graph.add_buffer(template=stream)
                    crop = graph.add("crop", f"{box[2]}:{box[3]}:{box[0]}:{box[1]}:exact=1")
                    scale = graph.add("scale", f"{size}:{size}:flags=bilinear")
                    form = graph.add("format", "rgb24")
                    sink = graph.add("buffersink")
                    graph.link_nodes(source, crop, scale, form, sink).configure()
                if way == "filters":
                    graph.push(frame)
                    picture = graph.pull().to_ndarray()
                else:
                    x, y, w, h = box
                    scaled = frame.reformat(
                        width=round(frame.width * size / w),
                        height=round(frame.height * size / h),
                        format="rgb24",
                        interpolation="BILINEAR",
                    ).to_ndarray()
                    top = min(round(y * size / h), scaled.shape[0] - size)
                    left = min(round(x * size / w), scaled.shape[1] - size)
                    picture = scaled[top : top + size, left : left + size]
                for slot in slots[index]:
                    clip[slot] = picture
                    filled += 1
            if index >= last:
                break
    if filled < len(wanted):
        raise RuntimeError(f"only {filled} of {len(wanted)} frames")
    return decoded


def main():
    print(json.dumps({"version": av.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        began = time.process_time()
        try:
            decoded = read_clip(request["path"], request["frames"], request["box"], request["size"], request["way"])
            answer = {"seconds": time.process_time() - began, "decoded": decoded}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answer["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(answer), flush=True)


main()
