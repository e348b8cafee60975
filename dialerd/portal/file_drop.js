// One file, from the disk of whoever looks at the page straight to the API. Python decides when and where it is sent.
export default {
  props: { texts: Object, accept: String, closed: Boolean },
  emits: ["chosen", "sent"],
  data: () => ({ file: null, isOver: false, share: null }),
  template: `
    <div class="d-drop" :class="{ 'd-drop-over': isOver, 'd-drop-closed': closed }" @dragover.prevent="isOver = !closed"
         @dragleave="isOver = false" @drop.prevent="drop">
      <q-icon name="upload_file" size="30px" aria-hidden="true" />
      <div class="d-drop-text" aria-live="polite">
        <template v-if="file"><b>{{ file.name }}</b> <span class="d-help">{{ size }}</span></template>
        <template v-else>{{ texts.drop }}</template>
        <q-linear-progress v-if="share !== null" :value="share" :aria-label="texts.sending" rounded size="6px" />
      </div>
      <q-btn outline no-caps color="primary" :label="file ? texts.other : texts.choose" :disable="closed || share !== null"
             @click="$refs.input.click()" />
      <input ref="input" type="file" class="d-drop-input" tabindex="-1" :aria-label="texts.choose" :accept="accept"
             :disabled="closed || share !== null" @change="choose($event.target.files)" />
    </div>`,
  computed: {
    size() {
      const kib = this.file.size / 1024;
      return kib < 1024 ? `${Math.ceil(kib)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
    },
  },
  methods: {
    drop(event) {
      this.isOver = false;
      if (!this.closed && this.share === null) this.choose(event.dataTransfer.files);
    },
    choose(files) {
      if (!files.length) return;
      this.file = files[0];
      this.$refs.input.value = ""; // or the same file could not be chosen again once it is mended
      this.$emit("chosen", this.file.name);
    },
    send(address) {
      if (!this.file || this.share !== null) return;
      const form = new FormData();
      form.append("file", this.file, this.file.name);
      const request = new XMLHttpRequest();
      request.upload.onprogress = (sent) => { this.share = sent.lengthComputable ? sent.loaded / sent.total : 0; };
      request.onloadend = () => {
        this.share = null;
        this.$emit("sent", { status: request.status, body: request.responseText });
      };
      this.share = 0;
      request.open("POST", address);
      request.send(form);
    },
  },
};
