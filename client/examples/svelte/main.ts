import { mount } from 'svelte'
import App from './App.svelte'

const target = document.querySelector('#app')
if (!target) throw new Error('There is no element for the app.')
mount(App, { target })
